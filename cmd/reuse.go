package cmd

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/urfave/cli/v2"
)

const (
	defaultReuse = 1000    // files under one data key
	maxReuse     = 1 << 31 // files
	maxKeyChunks = 1 << 31 // chunks under one data key, in all its files
	catReuse     = catKeys // where the help lists the flag
	reuseUsage   = "let one data key serve up to 1000 files, or as many as --reuse-key=FILES says: one KMS call for all of them, and whoever gets that key has all of them"
)

// reuseFlag is --reuse-key[=FILES].
func reuseFlag() cli.Flag {
	return optionalValue{&cli.GenericFlag{Name: "reuse-key", Category: catReuse, Value: new(reuseCount), Usage: reuseUsage}}
}

// reuseCount is how many files a data key is for. It is a flag whose value may be left out, and is 0 until it is given.
type reuseCount int

func (n *reuseCount) Set(s string) error {
	switch s {
	case "true": // what the flag parser says where there is no value
		*n = defaultReuse
		return nil
	case "false":
		*n = 0
		return nil
	}
	files, err := strconv.ParseUint(s, 10, 32)
	if err != nil || files == 0 || files > maxReuse {
		return fmt.Errorf("--reuse-key=FILES takes a number from 1 to %d", int64(maxReuse))
	}
	*n = reuseCount(files)
	return nil
}

func (n *reuseCount) String() string {
	if n == nil || *n == 0 {
		return ""
	}
	return strconv.Itoa(int(*n))
}

// IsBoolFlag lets the value be left out.
func (n *reuseCount) IsBoolFlag() bool { return true }

// reuseOf is the value of --reuse-key, 0 if it was not given.
func reuseOf(c *cli.Context) int {
	if n, ok := c.Generic("reuse-key").(*reuseCount); ok {
		return int(*n)
	}
	return 0
}

// keyPool gives the files of a run their data keys. It is safe for concurrent use.
type keyPool struct {
	make  func(context.Context) (*envelope.DataKey, error)
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

// take gives a key for a file of so many chunks, -1 if nobody knows: such a file gets a key of its own. The caller owes give.
func (p *keyPool) take(ctx context.Context, chunks int64) (*sharedKey, error) {
	if p.files < 2 || chunks < 0 {
		key, err := p.make(ctx)
		if err != nil {
			return nil, err
		}
		return &sharedKey{DataKey: key, single: true}, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now == nil || p.now.files == 0 || p.now.chunks < chunks {
		p.retire()
		key, err := p.make(ctx)
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

// takeKey gives a data key for a file of size bytes, -1 if nobody knows. The caller owes the pool's give.
func (s *sealing) takeKey(ctx context.Context, size int64) (*sharedKey, error) {
	if s.key != nil {
		return &sharedKey{DataKey: s.key, lent: true}, nil
	}
	log := s.options.ChunkSizeLog2
	if log == 0 {
		log = format.DefaultChunkSizeLog2
	}
	chunks := int64(-1)
	if size >= 0 {
		chunks = format.Layout{ChunkSize: 1 << log}.Chunks(size)
	}
	key, err := s.pool.take(ctx, chunks)
	if err != nil {
		return nil, &keyFailure{err}
	}
	return key, nil
}
