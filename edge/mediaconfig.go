package edge

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"

	"hafen/tenant"
)

// Matrix spec, "GET /_matrix/client/v1/media/config": the field by which clients see beforehand that a file is too large. The
// homeserver knows only its own bound, which is the same for every plan. It is asked all the same, for it knows its members: how
// full a server is, is nobody else's business.
const uploadSize = "m.upload.size"

// asksConfig reports whether a request asks how large an upload may be.
func (t target) asksConfig(method string) bool {
	return method == http.MethodGet && (t.api == mediaAPI && t.names.is("config") || t.api == clientAPI && t.names.is("media/config"))
}

// largest is how much a single upload may have now: what the route allows of what is left, nothing while it is restricted.
func (s site) largest() int64 {
	if s.route.Mode != tenant.RouteOpen {
		return 0
	}
	return min(s.route.UploadBytes, s.tenant.meter.free())
}

// limitConfig puts the true limit into a homeserver's answer. An answer that is none stays as it is.
func limitConfig(response *http.Response, most int64) error {
	if response.StatusCode != http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxRefusal))
	if err != nil {
		return err
	}
	response.Body.Close()
	config := map[string]any{}
	if json.Unmarshal(body, &config) == nil {
		if own, known := config[uploadSize].(float64); !known || own > float64(most) {
			config[uploadSize] = most
		}
		body = encode(config)
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	response.ContentLength = int64(len(body))
	response.Header.Set("Content-Length", strconv.Itoa(len(body)))
	response.Header.Del("ETag")
	response.Header.Set("Cache-Control", "no-store") // what is left changes with every upload
	return nil
}
