package reuse

import (
	"context"
	"sync"

	"github.com/envseal/envseal/envelope"
)

const maxKeyChunks = 1 << 31 // chunks under one data key, in all its files

// Pool gives the files of a run their data keys. It is safe for concurrent use.
type Pool struct {
	// Make makes a data key, and counts the calls to key services that it takes.
	Make  func(ctx context.Context, calls *int) (*envelope.DataKey, error)
	Files int // how many files one key is for; with less than 2 each has its own

	mu  sync.Mutex // held while a key is made, as all who wait wait for it
	now *Key
}

// Key is a data key and what it may still be used for.
type Key struct {
	*envelope.DataKey
	Single bool // for one file, which destroys it
	Lent   bool // somebody else's
	files  int
	chunks int64
	users  int
}

// Take gives a key for a file of so many chunks, -1 if nobody knows: such a file gets a key of its
// own. It adds to calls what it asked key services for. The caller owes give.
func (p *Pool) Take(ctx context.Context, chunks int64, calls *int) (*Key, error) {
	if p.Files < 2 || chunks < 0 {
		key, err := p.Make(ctx, calls)
		if err != nil {
			return nil, err
		}
		return &Key{DataKey: key, Single: true}, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now == nil || p.now.files == 0 || p.now.chunks < chunks {
		p.retire()
		key, err := p.Make(ctx, calls)
		if err != nil {
			return nil, err
		}
		p.now = &Key{DataKey: key, files: p.Files, chunks: maxKeyChunks}
	}
	p.now.files--
	p.now.chunks -= chunks
	p.now.users++
	return p.now, nil
}

// Give says that a file is sealed, or will not be.
func (p *Pool) Give(k *Key) {
	switch {
	case k.Lent:
		return
	case k.Single:
		k.Destroy()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if k.users--; k.users == 0 && k != p.now {
		k.Destroy()
	}
}

// retire gives up the present key, which goes with its last user. The lock is held.
func (p *Pool) retire() {
	if p.now != nil && p.now.users == 0 {
		p.now.Destroy()
	}
	p.now = nil
}

// Close wipes what is kept. No file is being sealed any more.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.retire()
}
