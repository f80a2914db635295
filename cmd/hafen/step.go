//go:build !crash

package main

import (
	"net/http"

	"github.com/jackc/pgx/v5"

	"hafen/tenant"
)

// Where a build for crash tests ends the process: at a step, at a commit, at a request to Stripe. See step_crash.go.
var (
	atStep    func(step tenant.Step, acted bool)
	atCommit  pgx.QueryTracer
	atRequest http.RoundTripper
)
