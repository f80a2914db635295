package controlplane_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"hafen/controlplane"
)

func TestArgon2id(t *testing.T) {
	t.Parallel()
	h := controlplane.NewArgon2id()
	hash, err := h.Hash(t.Context(), goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %q", hash)
	}
	if again, err := h.Hash(t.Context(), goodPassword); err != nil || again == hash {
		t.Errorf("no fresh salt: %v", err)
	}
	for password, want := range map[string]controlplane.HashMatch{
		goodPassword: controlplane.HashMatches, goodPassword + " ": controlplane.HashDiffers, "": controlplane.HashDiffers,
	} {
		if got, err := h.Verify(t.Context(), hash, password); err != nil || got != want {
			t.Errorf("%q: %s, %v", password, got, err)
		}
	}
	if got, err := h.Verify(t.Context(), "", ""); err != nil || got != controlplane.HashDiffers {
		t.Errorf("nobody's hash: %s, %v", got, err)
	}
}

// The hash of the reference implementation's command line (phc-winner-argon2): echo -n password | ./argon2 somesalt -t 2 -m 16
// -p 4 -l 24 -id, as its README and test.c list it for version 19.
func TestHashesOfTheReferenceImplementation(t *testing.T) {
	t.Parallel()
	const reference = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	got, err := controlplane.NewArgon2id().Verify(t.Context(), reference, "password")
	if err != nil || got != controlplane.HashOutdated {
		t.Errorf("%s, %v", got, err)
	}
}

func TestDamagedHashesAreErrors(t *testing.T) {
	t.Parallel()
	h := controlplane.NewArgon2id()
	for _, hash := range []string{
		"plain",
		"$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
		"$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=16$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=64,t=0,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=64,t=1,p=0$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$",
		"$argon2id$v=19$m=64,t=1,p=1$$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
	} {
		if match, err := h.Verify(t.Context(), hash, "password"); err == nil || match != controlplane.HashDiffers {
			t.Errorf("%s: %s, %v", hash, match, err)
		}
	}
}

func TestWaitingForAHashCanBeGivenUp(t *testing.T) {
	t.Parallel()
	h := controlplane.NewArgon2id()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	given := make(chan error, 100)
	for range 100 {
		all.Go(func() {
			_, err := h.Hash(ctx, goodPassword)
			given <- err
		})
	}
	<-given // the first is through; most of the others wait
	cancel()
	all.Wait()
	close(given)
	up := 0
	for err := range given {
		if errors.Is(err, context.Canceled) {
			up++
		}
	}
	if up == 0 {
		t.Error("nobody gave up")
	}
}

// Forty logins at once must not take forty times 19 MiB, and what they took must go back. Not parallel: it looks at
// the memory of the whole process.
func TestMemoryOfHashesIsBoundedAndReturned(t *testing.T) {
	h := controlplane.NewArgon2id()
	before := heapInUse()
	stop, peak := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		for {
			select {
			case <-stop:
				peak <- most
				return
			case <-time.After(time.Millisecond):
				most = max(most, heapInUse())
			}
		}
	}()
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			if _, err := h.Hash(t.Context(), goodPassword); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	close(stop)
	// One at work and one not yet collected for every processor.
	if most := <-peak; most > before+uint64(2*runtime.GOMAXPROCS(0)+2)*20<<20 {
		t.Errorf("%d MiB at the peak", most>>20)
	}
	for deadline := time.Now().Add(20 * time.Second); held() > before+30<<20; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d MiB still held, %d before", held()>>20, before>>20)
		}
	}
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// held is what the heap has from the system and has not given back.
func held() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapSys - m.HeapReleased
}
