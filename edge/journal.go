package edge

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"hafen/tenant"
)

// journal keeps beside the local copy what homeservers have accepted since the last measurement, a line an upload. Without it a
// killed edge would let a tenant past its quota by all that was uploaded in the minutes before.
//
// A line is written before the client has its answer, and left to the kernel: a killed process loses nothing. A loss of power may
// cost the last seconds, of which the homeserver's files are in doubt as well. Uploads whose answer had not come when the edge was
// killed are not in it: one for each that was under way.
type journal struct {
	path string
	log  *slog.Logger

	mu      sync.Mutex
	file    *os.File // opened with the first line
	length  int64
	failing bool // said so
}

// entry is a line.
type entry struct {
	Tenant tenant.ID
	Bytes  int64
	At     time.Time
}

// A journal that no measurement comes to shorten, since the database is away, is written anew at this length: with a few hundred
// lines for each tenant, see maxAcceptances.
const longJournal = 4 << 20

// load gives what is there. A line that cannot be read is left out: it is one that was being written when the power went.
func (j *journal) load() (map[tenant.ID][]acceptance, error) {
	content, err := os.ReadFile(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the edge's journal of uploads: %w", err)
	}
	accepted := map[tenant.ID][]acceptance{}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.Bytes > 0 {
			accepted[e.Tenant] = append(accepted[e.Tenant], acceptance{e.Bytes, e.At})
		}
	}
	return accepted, lines.Err()
}

// settle is the meter's, remembered.
func (j *journal) settle(id tenant.ID, m *meter, reserved, stored int64, now time.Time) {
	if stored <= 0 {
		m.settle(reserved, 0, now)
		return
	}
	// Under one lock, so that rewrite finds it in the meter or behind what it has written, and not in both.
	j.mu.Lock()
	defer j.mu.Unlock()
	m.settle(reserved, stored, now)
	err := j.append(entry{id, stored, now})
	if err != nil && !j.failing {
		j.log.Error("edge keeps no journal of uploads; killed now, it would forget those since the last measurement", "error", err)
	}
	j.failing = err != nil
}

func (j *journal) append(e entry) error {
	if j.file == nil {
		file, err := os.OpenFile(j.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		info, err := file.Stat()
		if err != nil {
			return errors.Join(err, file.Close())
		}
		j.file, j.length = file, info.Size()
	}
	// A line of its own even behind one that was broken off.
	n, err := j.file.Write(append([]byte{'\n'}, encode(e)...))
	j.length += int64(n)
	return err
}

// rewrite keeps what no measurement contains yet. Only after the local copy was saved: that has the measurements now.
func (j *journal) rewrite(pending func() []entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var content []byte
	for _, e := range pending() {
		content = append(append(content, '\n'), encode(e)...)
	}
	if len(content) == 0 && j.length == 0 {
		return nil // as it is
	}
	if err := replaceFile(j.path, content); err != nil {
		return fmt.Errorf("write the edge's journal of uploads: %w", err)
	}
	return j.close()
}

func (j *journal) long() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.length > longJournal
}

// end is for an edge that has drained.
func (j *journal) end() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.close(); err != nil {
		j.log.Error("edge's journal of uploads may lack its last lines", "error", err)
	}
}

// close lets go of the file; the next line opens it again.
func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file = nil
	return err
}
