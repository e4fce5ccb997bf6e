package cmd

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/envelope/keyring"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keystore"
)

func TestReuseCount(t *testing.T) {
	for s, want := range map[string]int{"true": 1000, "false": 0, "1": 1, "50000": 50000, "2147483648": 1 << 31} {
		var n reuseCount
		if err := n.Set(s); err != nil || int(n) != want {
			t.Errorf("%s: %d, %v", s, n, err)
		}
	}
	for _, s := range []string{"", "0", "-1", "many", "1.5", "2147483649", "99999999999999999999"} {
		n := reuseCount(7)
		if err := n.Set(s); err == nil || n != 7 {
			t.Errorf("%q: %d, %v", s, n, err)
		}
	}
}

// countedStore is a keystore that counts, and that refuses for as long as it is told to.
type countedStore struct {
	*keystore.Store
	calls  atomic.Int32
	refuse atomic.Pointer[error]
	slow   time.Duration
}

func (s *countedStore) GenerateDataKey(ctx context.Context, in kmsclient.GenerateDataKeyInput) (*kmsclient.DataKey, error) {
	if err := s.count(); err != nil {
		return nil, err
	}
	return s.Store.GenerateDataKey(ctx, in)
}

func (s *countedStore) Decrypt(ctx context.Context, in kmsclient.DecryptInput) (*kmsclient.DecryptOutput, error) {
	if err := s.count(); err != nil {
		return nil, err
	}
	return s.Store.Decrypt(ctx, in)
}

func (s *countedStore) count() error {
	s.calls.Add(1)
	time.Sleep(s.slow)
	if err := s.refuse.Load(); err != nil {
		return *err
	}
	return nil
}

func newCountedStore(t *testing.T) (*countedStore, string) {
	t.Helper()
	store, key := storeWithKey(t, filepath.Join(t.TempDir(), "keystore"))
	return &countedStore{Store: store, slow: time.Millisecond}, key.ARN
}

func (s *countedStore) pool(arn string, files int) *keyPool {
	return &keyPool{files: files, make: func(ctx context.Context) (*envelope.DataKey, error) {
		return envelope.NewDataKey(ctx, nil, &keyring.KMSKey{Client: s, KeyID: arn})
	}}
}

// A key serves as many files as it may, whoever asks, and while it is made everybody waits for that one call.
func TestKeyPoolShares(t *testing.T) {
	for _, c := range []struct{ reuse, calls int }{{0, 1000}, {1, 1000}, {7, 143}, {100, 10}, {1000, 1}, {5000, 1}} {
		store, arn := newCountedStore(t)
		store.slow = 0
		pool := store.pool(arn, c.reuse)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 125 {
					key, err := pool.take(t.Context(), 3)
					if err != nil {
						t.Error(err)
						return
					}
					if _, _, err := envelope.AppendSealed(t.Context(), nil, []byte("x"), key.DataKey, envelope.SealOptions{LastUse: key.single}); err != nil {
						t.Error(err)
					}
					pool.give(key)
				}
			})
		}
		wg.Wait()
		if got := int(store.calls.Load()); got != c.calls {
			t.Errorf("1000 files, %d to a key: %d calls, want %d", c.reuse, got, c.calls)
		}
		last := pool.now
		pool.close()
		if last != nil && !isDestroyed(last.DataKey) {
			t.Error("a key outlives its pool")
		}
	}
}

func isDestroyed(key *envelope.DataKey) bool {
	_, _, err := envelope.AppendSealed(context.Background(), nil, nil, key, envelope.SealOptions{})
	return err != nil
}

// A key that is spent goes with its last user, not before.
func TestKeyPoolDestroys(t *testing.T) {
	store, arn := newCountedStore(t)
	pool := store.pool(arn, 2)
	var keys []*sharedKey
	for range 4 {
		key, err := pool.take(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	if keys[0] != keys[1] || keys[2] != keys[3] || keys[0] == keys[2] {
		t.Fatal("keys are not shared by twos")
	}
	pool.give(keys[0])
	if isDestroyed(keys[1].DataKey) {
		t.Error("destroyed while in use")
	}
	pool.give(keys[1])
	if !isDestroyed(keys[1].DataKey) {
		t.Error("a spent key is kept")
	}
	pool.give(keys[2])
	pool.give(keys[3])
	pool.close()
	if !isDestroyed(keys[3].DataKey) {
		t.Error("the last key is kept")
	}
}

// However small the number of files, a key is not for more than 2^31 chunks; what has no known size gets a key of its own.
func TestKeyPoolCountsChunks(t *testing.T) {
	store, arn := newCountedStore(t)
	pool := store.pool(arn, 1000)
	defer pool.close()
	for i, c := range []struct {
		chunks int64
		calls  int32
	}{{1 << 30, 1}, {1 << 30, 1}, {1, 2}, {1<<31 - 1, 2}, {1, 3}, {1<<31 + 5, 4}, {-1, 5}, {-1, 6}, {1, 7}} {
		key, err := pool.take(t.Context(), c.chunks)
		if err != nil {
			t.Fatal(err)
		}
		pool.give(key)
		if got := store.calls.Load(); got != c.calls {
			t.Errorf("file %d: %d calls, want %d", i, got, c.calls)
		}
	}
}

// blob is a data key wrapped for a context.
func (s *countedStore) blob(t *testing.T, arn, context string) kmsclient.DecryptInput {
	t.Helper()
	ec := map[string]string{"name": context}
	out, err := s.Store.GenerateDataKey(t.Context(), kmsclient.GenerateDataKeyInput{KeyID: arn, KeySpec: kmsclient.AES256, EncryptionContext: ec})
	if err != nil {
		t.Fatal(err)
	}
	out.Plaintext.Destroy()
	return kmsclient.DecryptInput{KeyID: arn, CiphertextBlob: out.CiphertextBlob, EncryptionContext: ec}
}

func TestUnwrapsAreShared(t *testing.T) {
	store, arn := newCountedStore(t)
	gate := newGate(true, 100)
	client := gate.client(store)
	if client != gate.client(store) {
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
				if err != nil || string(out.Plaintext.Bytes()) != string(want.Plaintext.Bytes()) || out.KeyID != arn {
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
	kept := gate.kept.keys
	var secrets []kmsclient.Secret
	for _, k := range kept {
		secrets = append(secrets, k.out.Plaintext)
	}
	gate.close()
	if len(secrets) != 1 || secrets[0].Bytes() != nil {
		t.Errorf("%d keys were kept, or they are still there", len(secrets))
	}
}

// What differs in anything is another request.
func TestUnwrapsAreToldApart(t *testing.T) {
	store, arn := newCountedStore(t)
	gate := newGate(true, 100)
	defer gate.close()
	client := gate.client(store)
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
	gate := newGate(true, 100)
	defer gate.close()
	client := gate.client(store)
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
	gate.kept.close()
	store.refuse.Store(nil)
	if out, err := client.Decrypt(t.Context(), in); err != nil {
		t.Error(err)
	} else {
		out.Plaintext.Destroy()
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Decrypt(cancelled, store.blob(t, arn, "b")); !errors.Is(err, context.Canceled) && err != nil {
		t.Errorf("cancelled: %v", err)
	}
}

func TestUnwrapsAreBounded(t *testing.T) {
	store, arn := newCountedStore(t)
	store.slow = 0
	gate := newGate(true, 100)
	defer gate.close()
	client := gate.client(store)
	first := store.blob(t, arn, "first")
	for i := range 3 * maxKept {
		for _, in := range []kmsclient.DecryptInput{store.blob(t, arn, string(rune('a'+i))), first} {
			out, err := client.Decrypt(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			out.Plaintext.Destroy()
		}
		if n := len(gate.kept.keys); n > maxKept {
			t.Fatalf("%d keys kept", n)
		}
	}
	if got, want := int(store.calls.Load()), 3*maxKept+1+3*maxKept/100; got != want {
		t.Errorf("%d calls, want %d: what is asked for all the time was dropped", got, want)
	}
}

// quick is a limiter whose times are a thousandth of the usual ones.
func quick() *limiter {
	l := newLimiter()
	l.first, l.longest = l.first/1000, l.longest/1000
	l.throttled, l.unreachable, l.shut = l.throttled/1000, l.unreachable/1000, l.shut/1000
	return l
}

// Some calls are throttled: nobody fails.
func TestLimiterWaitsForAThrottledService(t *testing.T) {
	l := quick()
	var asked atomic.Int32
	ask := func() error {
		if asked.Add(1) <= 20 {
			return kmsclient.ErrThrottled
		}
		return nil
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				if err := l.do(t.Context(), ask); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if asked.Load() != 100 {
		t.Errorf("%d calls for 80 answers", asked.Load())
	}
}

func TestLimiterGivesUp(t *testing.T) {
	for _, c := range []struct {
		kind    error
		reached bool
		least   time.Duration
		most    time.Duration
	}{
		{kmsclient.ErrThrottled, false, 300 * time.Millisecond, 2 * time.Second},
		{kmsclient.ErrUnavailable, true, 60 * time.Millisecond, time.Second},
		{kmsclient.ErrUnavailable, false, 0, 50 * time.Millisecond},
		{kmsclient.ErrAccessDenied, true, 0, 50 * time.Millisecond},
	} {
		l := quick()
		if c.reached {
			_ = l.do(t.Context(), func() error { return nil })
		}
		began := time.Now()
		err := l.do(t.Context(), func() error { return c.kind })
		if took := time.Since(began); !errors.Is(err, c.kind) || took < c.least || took > c.most {
			t.Errorf("%v: %v after %v", c.kind, err, took)
		}
		if !busy(c.kind) {
			continue
		}
		// for a while nobody even asks; then one tries again
		called := false
		ask := func() error { called = true; return nil }
		if err := l.do(t.Context(), ask); !errors.Is(err, c.kind) || called {
			t.Errorf("%v: asked again at once: %v", c.kind, err)
		}
		time.Sleep(l.shut)
		if err := l.do(t.Context(), ask); err != nil || !called {
			t.Errorf("%v: after a while: %v", c.kind, err)
		}
	}
}

func TestLimiterEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := newLimiter()
	begun := make(chan struct{})
	go func() { <-begun; cancel() }()
	err := l.do(ctx, func() error {
		select {
		case <-begun:
		default:
			close(begun)
		}
		return kmsclient.ErrThrottled
	})
	if err == nil {
		t.Error("no error")
	}
}

// For a single file the client's own attempts are enough.
func TestGateForOneFile(t *testing.T) {
	store, arn := newCountedStore(t)
	gate := newGate(false, 1000)
	defer gate.close()
	throttled := error(kmsclient.ErrThrottled)
	store.refuse.Store(&throttled)
	var r record
	_, err := gate.client(store).Decrypt(withRecord(t.Context(), &r), store.blob(t, arn, "a"))
	if !errors.Is(err, kmsclient.ErrThrottled) || store.calls.Load() != 1 || r.calls != 1 || gate.kept != nil {
		t.Errorf("%v after %d calls, %d recorded", err, store.calls.Load(), r.calls)
	}
}
