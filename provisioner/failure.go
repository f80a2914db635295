package provisioner

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"hafen/provisioner/database"
	"hafen/provisioner/docker"
	"hafen/provisioner/firewall"
	"hafen/tenant"
)

// classify gives an error the code of the sentence a customer reads, and says what the loop shall do. Whatever an
// operator mends elsewhere, a stopped engine say, is tried again without asking: it may be mended any moment.
func classify(err error) error {
	if err == nil {
		return nil
	}
	if _, done := errors.AsType[*tenant.Failure](err); done {
		return err
	}
	retry := func(code string, after time.Duration) error {
		return &tenant.Failure{Disposition: tenant.Retry, Code: code, After: after, Err: err}
	}
	stop := func(code string) error { return &tenant.Failure{Disposition: tenant.Stop, Code: code, Err: err} }
	fault, isFault := errors.AsType[*tenant.Fault](err)
	switch {
	case docker.Absent(err):
		return retry("docker_absent", 10*time.Second)
	case errors.Is(err, docker.ErrImageAbsent):
		return retry("image_absent", time.Minute)
	case errors.Is(err, docker.ErrAddressTaken):
		return retry("address_taken", time.Minute)
	case errors.Is(err, docker.ErrForeign):
		return stop("name_taken")
	case diskFull(err):
		return retry("disk_full", time.Minute)
	case database.Absent(err):
		return retry("database_absent", 10*time.Second)
	case errors.Is(err, firewall.ErrRefused):
		return retry("firewall_refused", time.Minute)
	case isFault && fault.Kind == tenant.Unavailable:
		return retry("server_silent", 0)
	case isFault:
		return stop(fault.Code)
	case errors.Is(err, os.ErrPermission):
		return stop("permission_refused")
	case errors.Is(err, context.DeadlineExceeded):
		return retry("timeout", 0)
	default:
		return tenant.FailureOf(err)
	}
}

func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, docker.ErrDiskFull) || database.DiskFull(err)
}
