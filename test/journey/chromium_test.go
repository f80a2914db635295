package journey

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// chromium is the one browser of all tests, started by the first that needs it; every person gets cookies of their own.
var chromium struct {
	sync.Once
	ctx    context.Context
	cancel context.CancelFunc
	err    error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if chromium.ctx != nil {
		ctx, cancel := context.WithTimeout(chromium.ctx, 10*time.Second)
		if err := chromedp.Cancel(ctx); err != nil {
			os.Stderr.WriteString("close the browser: " + err.Error() + "\n")
		}
		cancel()
		chromium.cancel()
	}
	os.Exit(code)
}

func browser(t testing.TB) context.Context {
	t.Helper()
	chromium.Do(func() { chromium.err = startBrowser() })
	if chromium.err != nil {
		t.Fatalf("start Chromium: %v", chromium.err)
	}
	return chromium.ctx
}

func startBrowser() error {
	path, err := browserPath()
	if err != nil {
		return err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // root needs it, and the pages are our own
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("host-resolver-rules", "MAP "+soldAt+" 127.0.0.1"),
		chromedp.Flag("disable-component-update", true),
		// Each container that comes or goes changes the machine's addresses, for which Chromium breaks off what it has open by
		// HTTP/2: a live page would be told so in the console at a moment of chance.
		chromedp.Flag("disable-http2", true),
	)
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(allocator) //nolint:govet // TestMain ends it with chromedp.Cancel
	if err := chromedp.Do(ctx); err != nil {
		cancel()
		return err
	}
	chromium.ctx, chromium.cancel = ctx, cancel
	return nil
}

// browserPath finds the program under the names scripts/setup accepts.
func browserPath() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("there is no chromium; scripts/setup --tests installs it")
}
