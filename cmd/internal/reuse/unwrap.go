package reuse

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

// maxKept bounds how many unwrapped data keys lie in locked memory at a time. Files that were
// sealed one after the other share theirs, so a few do.
const maxKept = 64

// unwrapCache keeps what Decrypt gave, for the files of one run that were sealed under the same
// data key: the same CiphertextBlob and encryption context, asked for under the same name. Whether
// a file may be opened with it has been decided before, for each file. It is safe for concurrent
// use.
type unwrapCache struct {
	files int // how often one answer serves

	mu    sync.Mutex
	keys  map[unwrapID]*unwrapped
	clock uint64
}

type unwrapID struct {
	client kmsclient.Client
	sum    [sha256.Size]byte
}

// unwrapped is an answer, or one that is being waited for. The cache's lock guards its fields but
// ready.
type unwrapped struct {
	ready chan struct{} // closed when out or err is there
	out   *kmsclient.DecryptOutput
	err   error
	left  int
	users int    // who wait or copy
	gone  bool   // from the cache: the last user wipes it
	last  uint64 // when it was last asked for
}

func newUnwrapCache(files int) *unwrapCache {
	return &unwrapCache{files: files, keys: map[unwrapID]*unwrapped{}}
}

// decrypt answers from the cache, or asks: one asks, and all who want the same wait for the answer.
// The caller owns the plaintext, which is a copy.
//
// A refusal is kept as well: what KMS does not decrypt for this caller it will not decrypt for the
// next file either.
func (u *unwrapCache) decrypt(ctx context.Context, c throttledClient,
	in kmsclient.DecryptInput) (*kmsclient.DecryptOutput, error) {
	id := unwrapID{c.Client, digestOf(in)}
	u.mu.Lock()
	k := u.keys[id]
	first := k == nil || k.left == 0
	if first {
		u.drop(id)
		u.makeRoom()
		k = &unwrapped{ready: make(chan struct{}), left: u.files}
		u.keys[id] = k
	}
	u.clock++
	k.last = u.clock
	k.left--
	k.users++
	u.mu.Unlock()
	if first {
		u.ask(ctx, c, id, in, k)
	}
	var err error
	select {
	case <-k.ready:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	defer u.leave(k)
	if err == nil {
		err = k.err
	}
	if err != nil {
		return nil, err
	}
	return copyOf(k.out)
}

// ask fills k.
func (u *unwrapCache) ask(ctx context.Context, c throttledClient, id unwrapID,
	in kmsclient.DecryptInput, k *unwrapped) {
	out, err := c.decrypt(ctx, in)
	u.mu.Lock()
	defer u.mu.Unlock()
	k.out, k.err = out, err
	if err != nil && (busy(err) || ctx.Err() != nil || errors.Is(err, kmsclient.ErrBadAnswer)) &&
		u.keys[id] == k {
		u.drop(id)
	}
	close(k.ready)
}

// leave is for a user who has what he came for. The lock is held.
func (u *unwrapCache) leave(k *unwrapped) {
	if k.users--; k.gone {
		k.wipe()
	}
}

// drop takes an answer out of the cache. The lock is held.
func (u *unwrapCache) drop(id unwrapID) {
	if k := u.keys[id]; k != nil {
		delete(u.keys, id)
		k.gone = true
		k.wipe()
	}
}

// makeRoom drops the answers that nobody has asked for the longest. The lock is held.
func (u *unwrapCache) makeRoom() {
	for len(u.keys) >= maxKept {
		var oldest unwrapID
		for id, k := range u.keys {
			if o := u.keys[oldest]; o == nil || k.last < o.last {
				oldest = id
			}
		}
		u.drop(oldest)
	}
}

// close wipes all answers. Nobody asks any more.
func (u *unwrapCache) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id := range u.keys {
		u.drop(id)
	}
}

// wipe destroys the key once nobody uses it.
func (k *unwrapped) wipe() {
	if k.users == 0 && k.out != nil {
		k.out.Plaintext.Destroy()
		k.out = nil
	}
}

func copyOf(out *kmsclient.DecryptOutput) (*kmsclient.DecryptOutput, error) {
	key := out.Plaintext.Bytes()
	buf, err := keymem.New(len(key))
	if err != nil {
		return nil, err
	}
	copy(buf.Bytes(), key)
	own := *out
	own.Plaintext = buf
	return &own, nil
}

// digestOf tells requests apart. Every field is hashed behind its length, so that no two requests
// look alike.
func digestOf(in kmsclient.DecryptInput) [sha256.Size]byte {
	h := sha256.New()
	var length [8]byte
	field := func(s string) {
		binary.BigEndian.PutUint64(length[:], uint64(len(s)))
		h.Write(length[:])
		h.Write([]byte(s))
	}
	field(in.KeyID)
	field(in.Algorithm)
	field(string(in.CiphertextBlob))
	field(strconv.Itoa(len(in.GrantTokens)))
	for _, t := range in.GrantTokens {
		field(t)
	}
	for _, k := range slices.Sorted(maps.Keys(in.EncryptionContext)) {
		field(k)
		field(in.EncryptionContext[k])
	}
	return [sha256.Size]byte(h.Sum(nil))
}
