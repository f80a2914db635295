package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"hafen/internal/hafentest"
)

// result is one row. P50 and P95 are of N samples; the floor is the p50 of what was measured beside them, and the ratio
// that of the two p50.
type result struct {
	Name  string   `json:"name"`
	Unit  string   `json:"unit"`
	P50   float64  `json:"p50"`
	P95   float64  `json:"p95"`
	N     int      `json:"n"`
	Floor *float64 `json:"floor_p50"`
	Ratio *float64 `json:"ratio"`
}

// report is the whole file.
type report struct {
	Commit  string    `json:"commit"`
	Date    time.Time `json:"date"`
	Machine machine   `json:"machine"`
	Results []result  `json:"results"`
}

// machine tells what the figures are of. Load is the number of processes that wanted a core in the minute before: well above
// zero, somebody else worked beside the bench.
type machine struct {
	Processor string  `json:"processor"`
	Cores     int     `json:"cores"`
	MemoryGB  float64 `json:"memory_gb"`
	Kernel    string  `json:"kernel"`
	Docker    string  `json:"docker"`
	Load      float64 `json:"load_before"`
}

func newReport(ctx context.Context) *report {
	return &report{Commit: commit(ctx), Date: time.Now().UTC().Truncate(time.Second), Machine: thisMachine(ctx)}
}

// commit is marked when the checkout is not what it says, this file's own result apart.
func commit(ctx context.Context) string {
	// As root in somebody else's checkout, git wants to be told that this is meant.
	git := []string{"git", "-C", hafentest.Root(), "-c", "safe.directory=" + hafentest.Root()}
	head := output(ctx, append(git, "rev-parse", "HEAD")...)
	if output(ctx, append(git, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/results.json")...) != "" {
		head += " with changes"
	}
	return head
}

func thisMachine(ctx context.Context) machine {
	m := machine{Cores: runtime.NumCPU(), Kernel: output(ctx, "uname", "-r"), Docker: output(ctx, "docker", "version", "--format", "{{.Server.Version}}")}
	for line := range strings.Lines(file("/proc/cpuinfo")) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.Processor = strings.TrimSpace(value)
			break
		}
	}
	m.MemoryGB = round(float64(field("/proc/meminfo", "MemTotal:"))/1e6, 1)
	m.Load, _ = strconv.ParseFloat(strings.Fields(file("/proc/loadavg") + " 0")[0], 64) // as the kernel writes it
	return m
}

// output is what a program prints; "" when it cannot be had: no figure depends on it.
func output(ctx context.Context, command ...string) string {
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// sample adds a row of what was measured; floor may be empty.
func (r *report) sample(name, unit string, values, floor []float64) {
	if len(values) == 0 {
		return
	}
	row := result{Name: name, Unit: unit, P50: percentile(values, 50), P95: percentile(values, 95), N: len(values)}
	if len(floor) > 0 {
		f := percentile(floor, 50)
		ratio := round(row.P50/f, 2)
		row.Floor, row.Ratio = &f, &ratio
	}
	r.Results = append(r.Results, row)
}

func (r *report) once(name, unit string, value float64) {
	r.sample(name, unit, []float64{value}, nil)
}

// percentile by nearest rank, so that every figure is one that was measured.
func percentile(values []float64, p int) float64 {
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(float64(p) / 100 * float64(len(sorted))))
	return round(sorted[max(rank, 1)-1], 3)
}

func round(v float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(v*scale) / scale
}

func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s on %s\n%d × %s, %.1f GB, Linux %s, Docker %s, load %.1f before\n\n", r.Commit, r.Date.Format(time.RFC3339),
		r.Machine.Cores, r.Machine.Processor, r.Machine.MemoryGB, r.Machine.Kernel, r.Machine.Docker, r.Machine.Load)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "p50\tp95\tn\tfloor p50\tratio\tunit\t  what")
	for _, row := range r.Results {
		floor, ratio := "", ""
		if row.Floor != nil {
			floor, ratio = number(*row.Floor), number(*row.Ratio)
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\t  %s\n", number(row.P50), number(row.P95), row.N, floor, ratio, row.Unit, row.Name)
	}
	table.Flush()
	fmt.Fprintln(w, "\n"+included)
}

// included says what a time is a time of.
const included = `An order is accepted when its form is answered. From there to the first login a browser follows the server's live page until
it says ready, opens the ready page, has a link made, opens it and sets the first administrator's password; then a Matrix
client finds the server by its name, and logs in over HTTPS through the edge. Typing takes no time here. Bare is the same image
with the same profile, its database and files made before, started and asked until it is ready (versions, and a call that
touches the database) by nothing but the Docker Engine; the floor is its restart.`

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func (r *report) write(path string) error {
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the results: %w", err)
	}
	if err := os.WriteFile(path, append(content, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	return nil
}
