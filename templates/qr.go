package templates

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/a-h/templ"
	"rsc.io/qr"
)

// quiet is the margin a scanner needs around the modules (ISO/IEC 18004, section 9.1).
const quiet = 4

// QR draws text as a QR code. The title is what a screen reader says of it; the page must say the text itself too, for people
// without a camera. Rendering fails for a text of more than some 2,300 bytes.
func QR(text, title string) templ.Component {
	// M bears 15 % damage: a phone's camera reads it from a dirty screen, and the picture stays coarse enough for a small one.
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return templ.ComponentFunc(func(context.Context, io.Writer) error { return fmt.Errorf("draw a QR code: %w", err) })
	}
	return qrPicture(qrModules(code), code.Size+2*quiet, title)
}

// qrModules draws each run of dark modules of a row as one box.
func qrModules(code *qr.Code) string {
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			if !code.Black(x, y) {
				continue
			}
			from := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", from+quiet, y+quiet, x-from, x-from)
		}
	}
	return path.String()
}
