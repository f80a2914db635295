// Package resilience proves that Hafen keeps its word when processes are killed, PostgreSQL or Docker is away, or the machine lacks
// something. Everything is real: the program, kill -9, containers, databases.
package resilience
