package templates

import "strconv"

func toneClass(t Tone) string {
	switch t {
	case ToneInfo:
		return "tone-info"
	case ToneGood:
		return "tone-good"
	case ToneWarn:
		return "tone-warn"
	case ToneBad:
		return "tone-bad"
	default:
		return "tone-neutral"
	}
}

func toneIcon(t Tone) string {
	switch t {
	case ToneGood:
		return "check"
	case ToneWarn, ToneBad:
		return "alert"
	default:
		return "info"
	}
}

// statusFailed is shown instead of the status while an operator has to look.
const statusFailed = "failed"

func shownStatus(status, failure string) string {
	if failure != "" && status != StatusSuspended && status != StatusDeleting {
		return statusFailed
	}
	return status
}

func statusWord(l Locale, status, failure string) string {
	return l.Coded("status", shownStatus(status, failure), nil)
}

func statusTone(status, failure string) Tone {
	switch shownStatus(status, failure) {
	case StatusActive:
		return ToneGood
	case StatusProvisioning:
		return ToneInfo
	case StatusAwaitingPayment, StatusAwaitingDomain:
		return ToneWarn
	case StatusSuspended, StatusDeleting, statusFailed:
		return ToneBad
	default:
		return ToneNeutral
	}
}

func statusIcon(status, failure string) string {
	switch shownStatus(status, failure) {
	case StatusActive:
		return "check"
	case StatusProvisioning:
		return "refresh"
	case StatusAwaitingPayment:
		return "receipt"
	case StatusAwaitingDomain:
		return "globe"
	case StatusAsleep:
		return "moon"
	case StatusSuspended:
		return "pause"
	case StatusDeleting, StatusDeleted:
		return "trash"
	default:
		return "alert"
	}
}

// share of a limit; nothing of nothing is nothing.
func share(used, limit int64) float64 {
	if limit <= 0 {
		return 0
	}
	return float64(used) / float64(limit)
}

func (s Seats) share() float64   { return share(int64(s.Used), int64(s.Limit)) }
func (s Seats) full() bool       { return s.Used >= s.Limit }
func (s Storage) share() float64 { return share(s.Used(), s.Limit) }

// shareTone warns from 80 per cent and alarms from 100, the marks at which mails go out.
func shareTone(share float64) Tone {
	switch {
	case share >= 1:
		return ToneBad
	case share >= 0.8:
		return ToneWarn
	default:
		return ToneInfo
	}
}

// percent is a share for an attribute, kept between 0 and 100.
func percent(share float64) string {
	return strconv.Itoa(int(min(max(share, 0), 1) * 100))
}
