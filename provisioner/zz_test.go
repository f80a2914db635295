package provisioner_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hafen/images"
	suite "hafen/tenant/homeserver/conformance"
	"hafen/tenant/homeserver"
	"hafen/tenant"
	"hafen/tenant/homeserver/synapse"
)

func mem(spec tenant.Spec) string {
	pid, _ := exec.Command("docker", "inspect", "-f", "{{.State.Pid}} {{.Id}} {{.State.OOMKilled}} {{.RestartCount}}", spec.ID.Container()).Output()
	f := strings.Fields(string(pid))
	status, _ := os.ReadFile("/proc/" + f[0] + "/status")
	var out []string
	for _, l := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(l, "VmRSS") || strings.HasPrefix(l, "VmHWM") || strings.HasPrefix(l, "RssAnon") || strings.HasPrefix(l, "Threads") {
			out = append(out, strings.Join(strings.Fields(l), " "))
		}
	}
	for _, n := range []string{"memory.current", "memory.peak", "memory.events", "cpu.stat"} {
		p, _ := exec.Command("sh", "-c", "cat /sys/fs/cgroup/system.slice/docker-"+f[1]+".scope/"+n+" /sys/fs/cgroup/docker/"+f[1]+"/"+n+" 2>/dev/null | head -6").Output()
		out = append(out, n+"="+strings.Join(strings.Fields(string(p)), " "))
	}
	return strings.Join(out, "; ") + " " + strings.Join(f[2:], " ")
}

func TestZZMem(t *testing.T) {
	e := tested{engine: synapse.Engine{}, image: images.Synapse}
	s := newSite(t)
	spec := e.spec(t, s)
	mb, _ := strconv.Atoi(os.Getenv("ZZ_MB"))
	spec.Limits.MemoryBytes = int64(mb) << 20
	spec.Limits.CPUMillis = 1000
	s.converge(t, t.Context(), spec)
	fmt.Println("started", mem(spec))
	time.Sleep(70 * time.Second)
	fmt.Println("idle 70s", mem(spec))
	time.Sleep(60 * time.Second)
	fmt.Println("idle 130s", mem(spec))
	if os.Getenv("ZZ_LOAD") == "" {
		return
	}
	server, err := s.Server(t.Context(), spec)
	must(t, err)
	var people []*suite.Member
	for i := range 10 {
		m := s.person(spec)
		m.Localpart, m.Address = tenant.Localpart(fmt.Sprintf("p%d", i)), fmt.Sprintf("192.0.2.%d", i)
		must(t, server.Create(t.Context(), homeserver.NewAccount{Localpart: m.Localpart, Password: "some password"}))
		if !m.LogIn(t, "some password") {
			t.Fatal("login")
		}
		people = append(people, m)
	}
	fmt.Println("10 logged in", mem(spec))
	a := people[0].Ask(t, "POST", "/_matrix/client/v3/createRoom", map[string]any{"preset": "public_chat", "name": "x"})
	room := a.Body["room_id"].(string)
	for _, m := range people[1:] {
		m.Ask(t, "POST", "/_matrix/client/v3/join/"+room, map[string]any{})
	}
	var wg sync.WaitGroup
	stop := time.Now().Add(30 * time.Second)
	for i, m := range people {
		wg.Go(func() {
			since := ""
			for n := 0; time.Now().Before(stop); n++ {
				a := m.Ask(t, "GET", "/_matrix/client/v3/sync?timeout=1000"+since, nil)
				if nb, ok := a.Body["next_batch"].(string); ok {
					since = "&since=" + nb
				}
				if i < 3 {
					m.Ask(t, "PUT", fmt.Sprintf("/_matrix/client/v3/rooms/%s/send/m.room.message/%d", room, n), map[string]string{"msgtype": "m.text", "body": strings.Repeat("hello ", 20)})
				}
			}
		})
	}
	wg.Wait()
	fmt.Println("synced", mem(spec))
	for _, size := range [][2]int{{4000, 3000}, {5477, 3651}, {6900, 4600}} {
		img := image.NewNRGBA(image.Rect(0, 0, size[0], size[1]))
		for y := 0; y < size[1]; y += 3 {
			for x := 0; x < size[0]; x += 7 {
				img.SetNRGBA(x, y, color.NRGBA{uint8(x), uint8(y), 99, uint8(x ^ y)})
			}
		}
		for _, kind := range []string{"jpeg", "png"} {
			var b bytes.Buffer
			if kind == "jpeg" {
				jpeg.Encode(&b, img, nil)
			} else {
				(&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, img)
			}
			begun := time.Now()
			up := people[0].Send(t, http.MethodPost, "/_matrix/media/v3/upload?filename=a", "image/"+kind, b.Bytes())
			j, _ := json.Marshal(up.Body)
			fmt.Println(kind, size, b.Len(), up.Status, string(j), time.Since(begun), mem(spec))
		}
	}
	// three at once
	img := image.NewNRGBA(image.Rect(0, 0, 5477, 3651))
	var b bytes.Buffer
	jpeg.Encode(&b, img, nil)
	for i := range 4 {
		wg.Go(func() {
			up := people[i].Send(t, http.MethodPost, "/_matrix/media/v3/upload?filename=a", "image/jpeg", b.Bytes())
			fmt.Println("parallel", up.Status)
		})
	}
	wg.Wait()
	fmt.Println("four at once", mem(spec))
	out, _ := exec.Command("docker", "logs", "--tail", "15", spec.ID.Container()).CombinedOutput()
	fmt.Println(string(out))
}
