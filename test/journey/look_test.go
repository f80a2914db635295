package journey

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"hafen/internal/hafentest"
)

//go:embed testdata/axe.min.js
var axeScript string

//go:embed testdata/look.js
var lookScript string

//go:embed testdata/focus.js
var focusScript string

// stillness is how much of a page may move while it is loaded; the web's own measure calls up to 0.1 good
// (web.dev/articles/cls).
const stillness = 0.05

// screen is what a page is looked at on, in CSS pixels.
type screen struct {
	name          string
	width, height int64
}

var (
	desk  = screen{"desktop", 1280, 900}
	phone = screen{"phone", 390, 844} // the narrowest of the phones sold now
)

// sit changes screen and light.
func (p *person) sit(s screen, dark bool) {
	p.t.Helper()
	call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: s.width, Height: s.height, DeviceScaleFactor: 1, Mobile: s == phone,
	})
	scheme := map[bool]string{false: "light", true: "dark"}[dark]
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// look looks at the page in every light and on every screen, and keeps two pictures of it.
func (p *person) look(name string) {
	p.t.Helper()
	if got := evaluate[string](p, `document.documentElement.lang`); got != p.Code() {
		p.t.Errorf("%s: the page is in %q, not in %q", name, got, p.Code())
	}
	p.calm(name, evaluate[string](p, `location.pathname`))
	evaluate[string](p, axeScript+`; axe.version`)
	for _, s := range []screen{desk, phone} {
		for _, dark := range []bool{false, true} {
			p.sit(s, dark)
			p.inspect(name, s, dark)
		}
	}
	p.sit(desk, false)
	evaluate[bool](p, `new Promise(requestAnimationFrame).then(() => new Promise(requestAnimationFrame)).then(() => true)`)
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.moved) // changing screens moves everything
}

// inspect looks at the page as it stands: thoroughly and with a picture on the desk in light and on the phone in the dark, at
// what differs from those in the other two.
func (p *person) inspect(name string, s screen, dark bool) {
	p.t.Helper()
	light := map[bool]string{false: "light", true: "dark"}[dark]
	thorough := dark == (s == phone)
	for _, fault := range p.wrong(s, `^\S.* · Hafen$`, thorough) {
		p.t.Errorf("%s %s, %s, %s: %s", p.Code(), name, s.name, light, fault)
	}
	if thorough {
		p.shoot(name + "." + s.name + "-" + light)
	}
}

// wrong lists what is wrong with the page as it stands; its title must match a pattern.
func (p *person) wrong(s screen, title string, thorough bool) []string {
	p.t.Helper()
	return evaluate[[]string](p, fmt.Sprintf("(%s)(%d, %s, %t)", lookScript, s.width, quote(title), !thorough))
}

// calm checks that the page at a path came without noise: nothing in the console, nothing forbidden, nothing that jumped.
func (p *person) calm(name, path string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, fault := range p.faults {
		p.t.Errorf("%s %s: %s", p.Code(), name, fault)
	}
	p.faults = nil
	sum := 0.0
	for _, s := range p.moved[path] {
		sum += s.share
	}
	if sum > stillness {
		p.t.Errorf("%s %s: the page jumped: %v", p.Code(), name, p.moved[path])
	}
}

// tabs goes through the page with the Tab key; the focus must show wherever it is.
func (p *person) tabs(name string) {
	p.t.Helper()
	evaluate[bool](p, `document.activeElement.blur(), true`)
	steps := 0
	for ; steps < 60; steps++ {
		p.do("press Tab", chromedp.KeyEvent("\t"))
		switch fault := evaluate[string](p, "("+focusScript+")()"); fault {
		case "":
		case "end":
			if steps < 5 {
				p.t.Errorf("%s %s: the Tab key reaches only %d elements", p.Code(), name, steps)
			}
			return
		default:
			p.t.Errorf("%s %s: %s", p.Code(), name, fault)
		}
	}
}

var makeFolder = sync.OnceValues(func() (string, error) {
	folder := os.Getenv("HAFEN_SCREENSHOTS")
	if folder == "" {
		folder = filepath.Join(hafentest.Root(), "screenshots")
	}
	return folder, os.MkdirAll(folder, 0o755)
})

// shoot keeps a picture of the whole page.
func (p *person) shoot(name string) {
	p.t.Helper()
	folder, err := makeFolder()
	if err != nil {
		p.t.Fatalf("make the folder for screenshots: %v", err)
	}
	yes := true
	picture, err := chromedp.Call(p.tab, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: &yes, OptimizeForSpeed: &yes})
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, p.Code()+"."+name+".png"), picture.Data, 0o644)
	}
	if err != nil {
		p.t.Errorf("take a picture of %s: %v", name, err)
	}
}

// TestLookFindsFaults: a test that finds nothing proves nothing, so it is shown a page with everything wrong.
func TestLookFindsFaults(t *testing.T) {
	t.Parallel()
	p := newPerson(t, "", "en")
	p.do("open", chromedp.Navigate("data:text/html,"+`<!DOCTYPE html><html><title></title><body><div style="width:900px;color:%23777;background:%23888">pale <img src=x> [some.key]</div><h1>a</h1><h1>b</h1><i id=x></i><i id=x></i>`))
	evaluate[string](p, axeScript+`; axe.version`)
	p.sit(phone, false)
	found := strings.Join(p.wrong(phone, "Hafen$", true), "\n")
	for _, want := range []string{"2 h1", "the title is", "scrolls sideways, 9", "two elements are #x", "words are missing: [some.key]", "axe: image-alt", "axe: color-contrast", "axe: html-has-lang"} {
		if !strings.Contains(found, want) {
			t.Errorf("%q is not found:\n%s", want, found)
		}
	}
}
