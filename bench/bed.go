package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
)

// bed is what tests' support wants of a test, for a program: a failure ends the part, and what was made is removed
// whatever happened. What is not here is not needed, and panics.
type bed struct {
	testing.TB
	ctx      context.Context
	failed   bool
	cleanups []func()
}

var _ testing.TB = (*bed)(nil)

// failure ends a part from anywhere within.
type failure string

// try runs a part of the bench and gives why it failed.
func try(ctx context.Context, part func(*bed)) (err error) {
	b := &bed{ctx: ctx}
	defer func() {
		for _, cleanup := range slices.Backward(b.cleanups) {
			cleanup()
		}
		if b.failed && err == nil {
			err = fmt.Errorf("what was made is not all removed")
		}
	}()
	defer func() {
		switch reason := recover().(type) {
		case nil:
		case failure:
			err = fmt.Errorf("%s", string(reason))
		default:
			panic(reason)
		}
	}()
	part(b)
	return nil
}

func (b *bed) Helper()                  {}
func (b *bed) Context() context.Context { return b.ctx }
func (b *bed) Cleanup(f func())         { b.cleanups = append(b.cleanups, f) }
func (b *bed) Failed() bool             { return b.failed }

func (b *bed) Logf(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
}

func (b *bed) Errorf(format string, arguments ...any) {
	b.failed = true
	b.Logf(format, arguments...)
}

func (b *bed) Fatal(arguments ...any) {
	b.failed = true
	panic(failure(fmt.Sprint(arguments...)))
}

func (b *bed) Fatalf(format string, arguments ...any) {
	b.Fatal(fmt.Sprintf(format, arguments...))
}

// must ends the part on an error.
func (b *bed) must(doing string, err error) {
	if err != nil {
		b.Fatalf("%s: %v", doing, err)
	}
}

// tell says on the way what is going on: a run takes minutes.
func tell(format string, arguments ...any) { fmt.Fprintf(os.Stderr, "· "+format+"\n", arguments...) }
