package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"hafen/web/gallery"
)

// galleryCommand is `hafen gallery`.
type galleryCommand struct {
	Address string `help:"Where to listen." default:"127.0.0.1:8090"`
}

// Run serves until the signal.
func (c galleryCommand) Run(ctx context.Context) error {
	server := &http.Server{Addr: c.Address, Handler: gallery.Handler(), ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	fmt.Printf("The gallery is at http://%s\n", c.Address)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
