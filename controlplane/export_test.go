package controlplane

// NewQuickArgon2id is the hasher with parameters that protect nothing, for tests that count hashes rather than make them.
func NewQuickArgon2id() *Argon2id {
	h := NewArgon2id()
	h.p = argonParams{memory: 64, time: 1, lanes: 1}
	return h
}
