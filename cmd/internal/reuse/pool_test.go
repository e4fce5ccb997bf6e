package reuse

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/envseal/envseal/cmd/internal/testkit"
	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
	"github.com/envseal/envseal/kmsclient/keystore"
)

// countedStore is a keystore that counts, and that refuses for as long as it is told to.
type countedStore struct {
	*keystore.Store
	calls  atomic.Int32
	refuse atomic.Pointer[error]
	slow   time.Duration
}

func (s *countedStore) GenerateDataKey(ctx context.Context,
	in kmsclient.GenerateDataKeyInput) (*kmsclient.DataKey, error) {
	if err := s.count(); err != nil {
		return nil, err
	}
	return s.Store.GenerateDataKey(ctx, in)
}

func (s *countedStore) Decrypt(ctx context.Context,
	in kmsclient.DecryptInput) (*kmsclient.DecryptOutput, error) {
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
	store, key := testkit.StoreWithKey(t, filepath.Join(t.TempDir(), "keystore"))
	return &countedStore{Store: store, slow: time.Millisecond}, key.ARN
}

func (s *countedStore) pool(arn string, files int) *Pool {
	return &Pool{Files: files, Make: func(ctx context.Context, _ *int) (*envelope.DataKey, error) {
		return envelope.NewDataKey(ctx, nil, &keyring.KMSKey{Client: s, KeyID: arn})
	}}
}

// A key serves as many files as it may, whoever asks, and while it is made everybody waits for that
// one call.
func TestKeyPoolShares(t *testing.T) {
	for _, c := range []struct{ reuse, calls int }{{0, 1000}, {1, 1000}, {7, 143},
		{100, 10}, {1000, 1}, {5000, 1}} {
		store, arn := newCountedStore(t)
		store.slow = 0
		pool := store.pool(arn, c.reuse)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 125 {
					key, err := pool.Take(t.Context(), 3, nil)
					if err != nil {
						t.Error(err)
						return
					}
					_, _, err = envelope.AppendSealed(t.Context(), nil, []byte("x"), key.DataKey,
						envelope.SealOptions{LastUse: key.Single})
					if err != nil {
						t.Error(err)
					}
					pool.Give(key)
				}
			})
		}
		wg.Wait()
		if got := int(store.calls.Load()); got != c.calls {
			t.Errorf("1000 files, %d to a key: %d calls, want %d", c.reuse, got, c.calls)
		}
		last := pool.current
		pool.Close()
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
	var keys []*Key
	for range 4 {
		key, err := pool.Take(t.Context(), 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	if keys[0] != keys[1] || keys[2] != keys[3] || keys[0] == keys[2] {
		t.Fatal("keys are not shared by twos")
	}
	pool.Give(keys[0])
	if isDestroyed(keys[1].DataKey) {
		t.Error("destroyed while in use")
	}
	pool.Give(keys[1])
	if !isDestroyed(keys[1].DataKey) {
		t.Error("a spent key is kept")
	}
	pool.Give(keys[2])
	pool.Give(keys[3])
	pool.Close()
	if !isDestroyed(keys[3].DataKey) {
		t.Error("the last key is kept")
	}
}

// However small the number of files, a key is not for more than 2^31 chunks; what has no known size
// gets a key of its own.
func TestKeyPoolCountsChunks(t *testing.T) {
	store, arn := newCountedStore(t)
	pool := store.pool(arn, 1000)
	defer pool.Close()
	for i, c := range []struct {
		chunks int64
		calls  int32
	}{{1 << 30, 1}, {1 << 30, 1}, {1, 2}, {1<<31 - 1, 2}, {1, 3}, {1<<31 + 5, 4},
		{-1, 5}, {-1, 6}, {1, 7}} {
		key, err := pool.Take(t.Context(), c.chunks, nil)
		if err != nil {
			t.Fatal(err)
		}
		pool.Give(key)
		if got := store.calls.Load(); got != c.calls {
			t.Errorf("file %d: %d calls, want %d", i, got, c.calls)
		}
	}
}
