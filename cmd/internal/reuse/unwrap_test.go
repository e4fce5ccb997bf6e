package reuse

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/envseal/envseal/kmsclient"
)

// blob is a data key wrapped for a context.
func (s *countedStore) blob(t *testing.T, arn, context string) kmsclient.DecryptInput {
	t.Helper()
	ec := map[string]string{"name": context}
	out, err := s.Store.GenerateDataKey(t.Context(),
		kmsclient.GenerateDataKeyInput{KeyID: arn, KeySpec: kmsclient.AES256, EncryptionContext: ec})
	if err != nil {
		t.Fatal(err)
	}
	out.Plaintext.Destroy()
	return kmsclient.DecryptInput{KeyID: arn, CiphertextBlob: out.CiphertextBlob,
		EncryptionContext: ec}
}

func TestUnwrapsAreShared(t *testing.T) {
	store, arn := newCountedStore(t)
	throttle := NewThrottle(true, 100)
	client := throttle.Client(store, nil)
	if client != throttle.Client(store, nil) {
		t.Error("two limiters for one service")
	}
	in := store.blob(t, arn, "a")
	want, err := store.Store.Decrypt(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 125 {
				out, err := client.Decrypt(t.Context(), in)
				if err != nil || string(out.Plaintext.Bytes()) != string(want.Plaintext.Bytes()) ||
					out.KeyID != arn {
					t.Errorf("%v, %v", out, err)
					return
				}
				out.Plaintext.Destroy() // a copy: others have theirs
			}
		})
	}
	wg.Wait()
	if got := store.calls.Load(); got != 10 {
		t.Errorf("%d calls for 1000 files, 100 to a key", got)
	}
	kept := throttle.kept.keys
	var secrets []kmsclient.Secret
	for _, k := range kept {
		secrets = append(secrets, k.out.Plaintext)
	}
	throttle.Close()
	if len(secrets) != 1 || secrets[0].Bytes() != nil {
		t.Errorf("%d keys were kept, or they are still there", len(secrets))
	}
}

// What differs in anything is another request.
func TestUnwrapsAreToldApart(t *testing.T) {
	store, arn := newCountedStore(t)
	throttle := NewThrottle(true, 100)
	defer throttle.Close()
	client := throttle.Client(store, nil)
	a, b := store.blob(t, arn, "a"), store.blob(t, arn, "b")
	mixed, tokens, anonymous := a, a, a
	mixed.EncryptionContext = b.EncryptionContext
	tokens.GrantTokens = []string{"token"}
	anonymous.KeyID = ""
	for i, in := range []kmsclient.DecryptInput{a, b, mixed, tokens, anonymous} {
		for range 3 {
			out, err := client.Decrypt(t.Context(), in)
			if (err == nil) != (i != 2 && i != 3) {
				t.Errorf("request %d: %v", i, err)
			}
			if err == nil {
				out.Plaintext.Destroy()
			}
		}
		if got := int(store.calls.Load()); got != i+1 {
			t.Errorf("request %d: %d calls", i, got)
		}
	}
}

// A refusal holds for all files of the key, trouble does not.
func TestUnwrapFailures(t *testing.T) {
	store, arn := newCountedStore(t)
	throttle := NewThrottle(true, 100)
	defer throttle.Close()
	client := throttle.Client(store, nil)
	in := store.blob(t, arn, "a")
	fail := func(kind error, calls int32) {
		t.Helper()
		store.calls.Store(0)
		store.refuse.Store(&kind)
		for range 3 {
			if _, err := client.Decrypt(t.Context(), in); !errors.Is(err, kind) {
				t.Errorf("%v, want %v", err, kind)
			}
		}
		if got := store.calls.Load(); got != calls {
			t.Errorf("%v: %d calls, want %d", kind, got, calls)
		}
	}
	fail(kmsclient.ErrBadAnswer, 3)
	fail(kmsclient.ErrAccessDenied, 1)
	throttle.kept.close()
	store.refuse.Store(nil)
	if out, err := client.Decrypt(t.Context(), in); err != nil {
		t.Error(err)
	} else {
		out.Plaintext.Destroy()
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := client.Decrypt(cancelled, store.blob(t, arn, "b"))
	if !errors.Is(err, context.Canceled) && err != nil {
		t.Errorf("cancelled: %v", err)
	}
}

func TestUnwrapsAreBounded(t *testing.T) {
	store, arn := newCountedStore(t)
	store.slow = 0
	throttle := NewThrottle(true, 100)
	defer throttle.Close()
	client := throttle.Client(store, nil)
	first := store.blob(t, arn, "first")
	for i := range 3 * maxKept {
		for _, in := range []kmsclient.DecryptInput{store.blob(t, arn, string(rune('a'+i))), first} {
			out, err := client.Decrypt(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			out.Plaintext.Destroy()
		}
		if n := len(throttle.kept.keys); n > maxKept {
			t.Fatalf("%d keys kept", n)
		}
	}
	if got, want := int(store.calls.Load()), 3*maxKept+1+3*maxKept/100; got != want {
		t.Errorf("%d calls, want %d: what is asked for all the time was dropped", got, want)
	}
}
