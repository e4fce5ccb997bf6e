// Package reuse shares one data key, or one Decrypt, among the files of a run, and has them wait
// together for a key service that is busy. It decides nothing about who may open a file, and leaves
// no key behind when its Pool and its Throttle are closed: begin with these two.
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
	Make func(ctx context.Context, calls *int) (*envelope.DataKey, error)
	// Files is how many files one key is for; with less than 2 each has its own.
	Files int

	mu      sync.Mutex // held while a key is made, as all who wait wait for it
	current *Key
}

// Key is a data key and what it may still be used for.
type Key struct {
	*envelope.DataKey
	Single bool // for one file, after which it is destroyed
	Lent   bool // somebody else's, who destroys it

	files  int   // that it may still be for
	chunks int64 // that they may have
	users  int   // files that are being sealed
}

// Take gives a key for a file of so many chunks, -1 if nobody knows: such a file gets a key of its
// own. It adds to calls what it asked key services for. The caller hands the key back by Give.
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
	if p.current == nil || p.current.files == 0 || p.current.chunks < chunks {
		p.retire()
		key, err := p.Make(ctx, calls)
		if err != nil {
			return nil, err
		}
		p.current = &Key{DataKey: key, files: p.Files, chunks: maxKeyChunks}
	}
	p.current.files--
	p.current.chunks -= chunks
	p.current.users++
	return p.current, nil
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
	if k.users--; k.users == 0 && k != p.current {
		k.Destroy()
	}
}

// retire gives up the current key, which goes with its last user. The lock is held.
func (p *Pool) retire() {
	if p.current != nil && p.current.users == 0 {
		p.current.Destroy()
	}
	p.current = nil
}

// Close wipes what is kept. No file is being sealed any more.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.retire()
}
