package tenant

import "time"

// Coupon takes something off a customer's bills: Percent of them, or Amount. What a coupon gives is never changed, only that
// nobody new gets it.
type Coupon struct {
	Code      string // as people type it, in capitals
	Percent   int    // 0 when it is an amount
	Amount    Money  // net, off each bill
	Periods   int    // bills it is good for; 0 for all
	Plans     []string
	Most      int // how often it can be redeemed; 0 for ever
	RedeemBy  *time.Time
	Note      string // for operators
	Withdrawn bool
}
