package postgres

import (
	"encoding/json"
	"fmt"

	"hafen/tenant"
)

// readSettings reads a tenant's settings as they hold on a plan. What the row does not mention is the plan's default, so a
// setting that is added later needs no change of rows.
func readSettings(document []byte, q tenant.Quota) (tenant.Settings, error) {
	s := tenant.DefaultSettings(q)
	if err := json.Unmarshal(document, &s); err != nil {
		return s, fmt.Errorf("read the settings: %w", err)
	}
	return s.Within(q), nil
}
