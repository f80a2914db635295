package controlplane

import (
	"context"
	"errors"
	"time"

	"hafen/tenant"
	"hafen/tenant/homeserver"
)

// The kinds of operation on rooms.
const (
	OperationListRooms  OperationKind = "list_rooms"  // input: homeserver.RoomQuery
	OperationFindRoom   OperationKind = "find_room"   // input: roomInput
	OperationDeleteRoom OperationKind = "delete_room" // input: roomInput
)

// roomInput names a room. Name and Members are as they were when its deletion was asked for.
type roomInput struct {
	Room    string `json:"room"`
	Name    string `json:"name,omitempty"`
	Members int    `json:"members,omitempty"`
}

func (w *OperationWorker) listRooms(ctx context.Context, s homeserver.Server, c OperationClaim) (any, error) {
	q, err := input[homeserver.RoomQuery](c)
	if err != nil {
		return nil, err
	}
	return s.ListRooms(ctx, q)
}

// findRoom searches for the id. A search may find others too, which have it in their name, and any number of them.
func (w *OperationWorker) findRoom(ctx context.Context, s homeserver.Server, c OperationClaim) (any, error) {
	in, err := input[roomInput](c)
	if err != nil {
		return nil, err
	}
	for read := 0; ; {
		found, err := s.ListRooms(ctx, homeserver.RoomQuery{Search: in.Room, Page: homeserver.Page{Offset: read, Limit: 1000}})
		if err != nil {
			return nil, err
		}
		for _, room := range found.Rooms {
			if room.ID == in.Room {
				return room, nil
			}
		}
		if read += len(found.Rooms); len(found.Rooms) == 0 || read >= found.Total {
			return nil, &tenant.Fault{Kind: tenant.NotFound, Code: "room.unknown"}
		}
	}
}

// A small room is gone within a second, which its deletion is watched for; one of years may take an hour, and a worker has
// other things to do meanwhile.
const roomPatience = 8 * time.Second

func (w *OperationWorker) deleteRoom(ctx context.Context, s homeserver.Server, c OperationClaim) (any, error) {
	in, err := input[roomInput](c)
	if err != nil {
		return nil, err
	}
	patience, cancel := context.WithTimeout(ctx, roomPatience)
	defer cancel()
	begun := c.Again
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		done, err := s.DeleteRoom(ctx, in.Room)
		fault, refused := errors.AsType[*tenant.Fault](err)
		switch {
		case refused && fault.Code == "room.unknown" && begun:
			return nil, nil // what we began is over, and the server has forgotten that it was
		case err != nil || done:
			return nil, err
		}
		begun = true
		select {
		case <-patience.Done():
			return nil, errUnderWay
		case <-time.After(pause):
		}
	}
}
