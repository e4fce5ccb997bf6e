//go:build secrets

package memscan_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
	"github.com/envseal/envseal/kmsclient/keystore"
)

// kept is where the careless program leaves what it should not.
var kept []any

// leaks are the ways in which the careless program leaves a key on the heap: key is the data key,
// payload the key made of it.
var leaks = map[string]func(key, payload []byte) any{
	"raw":      func(key, _ []byte) any { return slices.Clone(key) },
	"half":     func(key, _ []byte) any { return slices.Clone(key[16:]) },
	"base64":   func(key, _ []byte) any { return base64.StdEncoding.EncodeToString(key) },
	"payload":  func(_, payload []byte) any { return slices.Clone(payload) },
	"schedule": func(_, payload []byte) any { return gcm(payload) },
}

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // never: the key has 32 bytes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// careless is decrypt, but for the leak: a program in which the searches must find something.
func careless(how string) int {
	if err := openCarelessly(how); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	runtime.KeepAlive(kept)
	return 0
}

func openCarelessly(how string) error {
	store, err := keystore.Open(os.Getenv("ENVSEAL_KEYSTORE"), keystore.Options{})
	if err != nil {
		return err
	}
	defer store.Close()
	_, err = envelope.Open(context.Background(), os.Stdout, os.Stdin,
		envelope.OpenOptions{}, &leaking{how, store})
	return err
}

// leaking is an identity that leaks.
type leaking struct {
	how   string
	store kmsclient.Client
}

func (l *leaking) Unwrap(ctx context.Context, h *format.Header) (envelope.Secret, error) {
	key, err := (&keyring.Discovery{Client: func(kmsclient.ARN) (kmsclient.Client, error) {
		return l.store, nil
	}}).Unwrap(ctx, h)
	if err != nil {
		return nil, err
	}
	payload, err := payloadOf(h, key.Bytes())
	if err != nil {
		return nil, err
	}
	leak := leaks[l.how](key.Bytes(), payload[:32])
	clear(payload)
	kept = append(kept, leak)
	fmt.Fprintln(os.Stderr, "opened with a careless program")
	return key, nil
}

// TestSecretsSearchFinds shows that a search finds a key, in whatever shape it was left.
func TestSecretsSearchFinds(t *testing.T) {
	runtime.LockOSThread()
	t.Parallel()
	r := newRig(t)
	for how := range leaks {
		found := newFindings()
		found.expected = true
		r.start(t, r.carelessPlan(how), found).hold()
		for stage, n := range found.searches {
			if found.open[stage] < n {
				t.Errorf("%s leaked, %s: %d copies found in %d searches", how, stage, found.open[stage], n)
			}
		}
		if found.total() != 6 {
			t.Errorf("%s leaked: %d searches", how, found.total())
		}
	}
}

func (r *rig) carelessPlan(how string) plan {
	w := r.byKeystore()
	w.env = append(slices.Clone(w.env), childEnv+"="+how)
	return plan{way: w, decrypt: true, command: []string{os.Args[0]}}
}
