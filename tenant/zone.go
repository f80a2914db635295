package tenant

import (
	"time"
	_ "time/tzdata" // the zone below, on machines without a zone database
)

// Zone is where days and months begin for money: the operator's. A month that is paid for, the day a bill is due by, and the year
// of its number are those of the calendar on the wall, whatever summer time does to them.
var Zone = mustZone("Europe/Berlin")

func mustZone(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		panic("tenant: load embedded time zone: " + err.Error())
	}
	return zone
}
