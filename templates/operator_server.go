package templates

// conditionCode is what an operator searches the code for.
func conditionCode(c Condition) string {
	if c.Code == "" {
		return c.Kind
	}
	return c.Kind + "." + c.Code
}
