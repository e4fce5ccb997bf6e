package cmd

import (
	"context"
	"sync"

	"github.com/envseal/envseal/envelope"
)

const maxKeyChunks = 1 << 31 // chunks under one data key, in all its files

// keyPool gives the files of a run their data keys. It is safe for concurrent use.
type keyPool struct {
	// make makes a data key, and counts the calls to key services that it takes.
	make  func(ctx context.Context, calls *int) (*envelope.DataKey, error)
	files int // how many files one key is for; with less than 2 each has its own

	mu  sync.Mutex // held while a key is made, as all who wait wait for it
	now *sharedKey
}

// sharedKey is a data key and what it may still be used for.
type sharedKey struct {
	*envelope.DataKey
	single bool // for one file, which destroys it
	lent   bool // somebody else's
	files  int
	chunks int64
	users  int
}

// take gives a key for a file of so many chunks, -1 if nobody knows: such a file gets a key of its
// own. It adds to calls what it asked key services for. The caller owes give.
func (p *keyPool) take(ctx context.Context, chunks int64, calls *int) (*sharedKey, error) {
	if p.files < 2 || chunks < 0 {
		key, err := p.make(ctx, calls)
		if err != nil {
			return nil, err
		}
		return &sharedKey{DataKey: key, single: true}, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now == nil || p.now.files == 0 || p.now.chunks < chunks {
		p.retire()
		key, err := p.make(ctx, calls)
		if err != nil {
			return nil, err
		}
		p.now = &sharedKey{DataKey: key, files: p.files, chunks: maxKeyChunks}
	}
	p.now.files--
	p.now.chunks -= chunks
	p.now.users++
	return p.now, nil
}

// give says that a file is sealed, or will not be.
func (p *keyPool) give(k *sharedKey) {
	switch {
	case k.lent:
		return
	case k.single:
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
func (p *keyPool) retire() {
	if p.now != nil && p.now.users == 0 {
		p.now.Destroy()
	}
	p.now = nil
}

// close wipes what is kept. No file is being sealed any more.
func (p *keyPool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.retire()
}
