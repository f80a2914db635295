package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"hafen/controlplane/billing"
	"hafen/controlplane/billing/stripe"
)

// stripeKeyCheck asks Stripe whether it knows the key. It reads only.
func stripeKeyCheck(file, url string) check {
	return check{"stripe key", func(ctx context.Context) (string, error) {
		if file == "" {
			return "", ailment{wrong: "payment goes through Stripe, and there is no key", mend: "make a restricted key in Stripe's dashboard, and name its file with --stripe-key-file"}
		}
		key, err := stripeKey(file)
		if err != nil {
			return "", ailment{wrong: err.Error(), mend: "put a restricted key (rk_...) into it, alone"}
		}
		if err := privateFile(file); err != nil {
			return "", err
		}
		provider, err := stripe.New(stripe.Config{Key: key, URL: url, Installation: "doctor", Customers: nobody{}})
		if err != nil {
			return "", err
		}
		if err := provider.Probe(ctx); err != nil {
			return "", ailment{wrong: err.Error(), mend: "look at the key's permissions in Stripe's dashboard; the README lists them"}
		}
		if strings.HasPrefix(key, "sk_") {
			return "", ailment{wrong: "the key can do everything with the account, refunds and payouts too", mend: "make a restricted key in Stripe's dashboard; the README lists its permissions", hint: true}
		}
		return "Stripe knows it", nil
	}}
}

func webhookSecretsCheck(files []string) check {
	return check{"stripe webhook secrets", func(context.Context) (string, error) {
		if len(files) == 0 {
			return "", ailment{wrong: "there is none, and nobody learns who has paid", mend: "put the endpoint's signing secret into a file, and name it with --stripe-webhook-secret-files"}
		}
		for _, file := range files {
			if _, err := secretIn(file, "a webhook secret of Stripe's", "whsec_"); err != nil {
				return "", ailment{wrong: err.Error(), mend: "put the endpoint's signing secret (whsec_...) into it, alone"}
			}
			if err := privateFile(file); err != nil {
				return "", err
			}
		}
		return fmt.Sprintf("%d", len(files)), nil
	}}
}

// privateFile makes sure that others cannot read a secret.
func privateFile(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return ailment{wrong: "others can read " + file, mend: "chmod 600 " + file}
	}
	return nil
}

// nobody are no customers: the doctor sells nothing.
type nobody struct{}

func (nobody) FindPayer(context.Context, string) (billing.Payer, error) {
	return billing.Payer{}, errors.New("the doctor has no customers")
}

func (nobody) RememberPayer(context.Context, string, string) error { return nil }
