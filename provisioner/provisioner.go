// Package provisioner observes the outside objects of tenants and changes them, one step at a time.
package provisioner
