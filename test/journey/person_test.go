package journey

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"hafen/templates/i18n"
)

// patience is how long a person waits for anything: generous, for a busy machine under a whole test run.
const patience = 60 * time.Second

//go:embed testdata/watch.js
var watchScript string

// person is somebody with a browser of their own.
type person struct {
	*i18n.Locale
	t    testing.TB
	base string
	tab  context.Context

	mu       sync.Mutex
	faults   []string             // what the console and the policy complained about since the last look
	loads    []string             // paths of the documents
	touched  bool                 // something was done on this page, whose effect may move what is there
	moved    map[string][]shift   // what moved untouched, by path, in its last document
	progress map[string][]float64 // what a page's progress bar showed, by path
}

func newPerson(t testing.TB, base, language string) *person {
	t.Helper()
	tab, cancel := chromedp.NewContext(browser(t), chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	p := &person{Locale: i18n.For(language), t: t, base: base, tab: tab, moved: map[string][]shift{}, progress: map[string][]float64{}}
	version, err := chromedp.CallBrowser(tab, cdpbrowser.GetVersion, cdp.Empty{})
	p.must("ask for the version", err)
	p.must("open a tab", chromedp.Listen(tab, p.hear))
	call(p, runtime.AddBinding, runtime.AddBindingParams{Name: "journeyTell"})
	call(p, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watchScript})
	call(p, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{
		UserAgent: strings.Replace(version.UserAgent, "HeadlessChrome", "Chrome", 1), AcceptLanguage: language,
	})
	p.sit(desk, false)
	return p
}

// shift is something that moved without being asked, by what share of the screen.
type shift struct {
	share float64
	what  string
}

// another is a second device of the same person.
func (p *person) another() *person { return newPerson(p.t, p.base, p.Code()) }

func call[P, R any](p *person, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.tab, patience)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	p.must(command.Method, err)
	return result
}

func (p *person) must(what string, err error) {
	p.t.Helper()
	if err != nil {
		p.fail("%s: %v", what, err)
	}
}

// fail ends the test with what the person sees.
func (p *person) fail(format string, args ...any) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.tab, 10*time.Second)
	defer cancel()
	seen, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`)) // nothing better than nothing
	p.shoot("failed")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.t.Fatalf("%s\n%s sees %s\nconsole: %q", fmt.Sprintf(format, args...), p.Code(), seen, p.faults)
}

// hear collects what the browser tells.
func (p *person) hear(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventBindingCalled:
		p.told(e.Payload)
	case *runtime.EventExceptionThrown:
		p.faults = append(p.faults, fmt.Sprintf("exception: %v", e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			var words []string
			for _, arg := range e.Args {
				words = append(words, string(arg.Value)+arg.Description)
			}
			p.faults = append(p.faults, "console: "+strings.Join(words, " "))
		}
	case *log.EventEntryAdded:
		// Chromium writes a line about every answer of 400 and more; 422 is how a form with mistakes comes back.
		mistake := e.Entry.Source == log.EntrySourceNetwork && strings.Contains(e.Entry.Text, "status of 422")
		if (e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning) && !mistake {
			p.faults = append(p.faults, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	}
}

// told takes what watch.js tells.
func (p *person) told(payload string) {
	var news struct {
		Kind, Path, What string
		Value            float64
	}
	if err := json.Unmarshal([]byte(payload), &news); err != nil {
		p.faults = append(p.faults, "watch.js: "+err.Error())
		return
	}
	switch news.Kind {
	case "loaded":
		p.loads, p.touched = append(p.loads, news.Path), false
		delete(p.moved, news.Path)
	case "shift":
		if p.touched {
			return
		}
		p.moved[news.Path] = append(p.moved[news.Path], shift{news.Value, news.What})
	case "progress":
		p.progress[news.Path] = append(p.progress[news.Path], news.Value)
	case "forbidden":
		p.faults = append(p.faults, "content security policy: "+news.What)
	}
}

// do runs actions of chromedp.
func (p *person) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.tab, patience)
	defer cancel()
	p.must(what, chromedp.Do(ctx, actions...))
}

// evaluate gives the value of an expression in the page.
func evaluate[T any](p *person, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.tab, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	p.must(expression[:min(len(expression), 200)], err)
	return value
}

// await waits until an expression in the page is true.
func (p *person) await(what, expression string) {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ctx, cancel := context.WithTimeout(p.tab, patience)
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		cancel()
		if ok && err == nil {
			return // an error is a page on its way out
		}
		if time.Now().After(deadline) {
			p.fail("%s: not after %s (%v)", what, patience, err)
		}
		time.Sleep(25 * time.Millisecond)
	}
}

// open types an address.
func (p *person) open(path string) {
	p.t.Helper()
	p.do("open "+path, chromedp.Navigate(p.base+path))
}

// click clicks on what stays on the page.
func (p *person) click(selector string) {
	p.t.Helper()
	p.touch()
	p.do("click "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

func (p *person) touch() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.touched = true
}

// follow clicks on what leads to another page, and waits for it.
func (p *person) follow(selector string) {
	p.t.Helper()
	evaluate[bool](p, `window.stale = true`)
	p.click(selector)
	p.await("a page after "+selector, `!window.stale && document.readyState === 'complete'`)
}

// fill types into an empty or filled field.
func (p *person) fill(selector, text string) {
	p.t.Helper()
	p.touch()
	p.do("focus "+selector, chromedp.Focus(chromedp.CSS(selector), chromedp.NodeVisible))
	evaluate[bool](p, `document.activeElement.select(), true`) // what is typed replaces it
	p.do("type into "+selector, chromedp.KeyEvent(text))
	if got := evaluate[string](p, `document.activeElement.value`); got != text {
		p.fail("%s holds %q after typing %q", selector, got, text)
	}
}

// reads waits for a sentence.
func (p *person) reads(text string) {
	p.t.Helper()
	p.await(fmt.Sprintf("the words %q", text), p.readable(text))
}

// gone waits until a sentence is no longer there.
func (p *person) gone(text string) {
	p.t.Helper()
	p.await(fmt.Sprintf("the words %q to go", text), "!("+p.readable(text)+")")
}

func (p *person) readable(text string) string {
	return fmt.Sprintf(`document.body.innerText.replace(/\s+/g, ' ').includes(%s)`, quote(strings.Join(strings.Fields(text), " ")))
}

// sees waits for an element that shows.
func (p *person) sees(selector string) {
	p.t.Helper()
	p.do("see "+selector, chromedp.WaitVisible(chromedp.CSS(selector)))
}

// text is that of an element.
func (p *person) text(selector string) string {
	p.t.Helper()
	p.sees(selector)
	return strings.TrimSpace(evaluate[string](p, `document.querySelector(`+quote(selector)+`).textContent`))
}

// path is where the person is.
func (p *person) path() string {
	p.t.Helper()
	return evaluate[string](p, `location.pathname + location.search`)
}

// at checks where the person is.
func (p *person) at(path string) {
	p.t.Helper()
	if got := p.path(); got != path {
		p.fail("is at %s, not at %s", got, path)
	}
}

func quote(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string always has a JSON form
	}
	return string(b)
}

// forgive forgets what the network layer complained about the document's status.
func (p *person) forgive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = slices.DeleteFunc(p.faults, func(fault string) bool {
		return strings.HasPrefix(fault, "network: Failed to load resource: the server responded")
	})
}
