package resolver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// glibc waits 5 s for an answer; we give up before it does, so that it learns why.
const (
	questionTimeout = 4 * time.Second
	upstreamTimeout = 1500 * time.Millisecond
)

// forwarder asks the machine's resolvers, one after the other.
type forwarder struct{ upstreams []string }

func (f forwarder) exchange(ctx context.Context, q dns.Question) (*dns.Msg, error) {
	var failures []error
	for _, upstream := range f.upstreams {
		reply, err := exchange(ctx, upstream, q)
		if err == nil {
			return reply, nil
		}
		failures = append(failures, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(failures...)
}

func exchange(ctx context.Context, upstream string, q dns.Question) (*dns.Msg, error) {
	question := new(dns.Msg).SetQuestion(q.Name, q.Qtype) // a fresh random id
	question.SetEdns0(udpSize, false)
	reply, err := ask(ctx, "udp", upstream, question)
	if err == nil && reply.Truncated {
		reply, err = ask(ctx, "tcp", upstream, question)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask %s: %w", upstream, err)
	case reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("ask %s: it answered %s", upstream, dns.RcodeToString[reply.Rcode])
	}
	return reply, nil
}

func ask(ctx context.Context, network, upstream string, question *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, upstreamTimeout)
	defer cancel()
	client := dns.Client{Net: network, Timeout: upstreamTimeout, UDPSize: udpSize}
	reply, _, err := client.ExchangeContext(ctx, question, upstream)
	if err != nil {
		return nil, err
	}
	asked := question.Question[0]
	if !reply.Response || len(reply.Question) != 1 || reply.Question[0].Qtype != asked.Qtype || !strings.EqualFold(reply.Question[0].Name, asked.Name) {
		return nil, errors.New("it answered another question")
	}
	return reply, nil
}
