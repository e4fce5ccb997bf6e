package cmd

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"golang.org/x/sys/unix"
)

const (
	verbEncrypt = "encrypt"
	verbDecrypt = "decrypt"
	verbVerify  = "verify"
)

// sealTree seals the files of a tree.
type sealTree struct {
	*sealing
	one func(ctx context.Context, name string) error
}

func (s *sealTree) verb() string { return verbEncrypt }

func (s *sealTree) target(name string) (string, error) { return name + s.c.String("suffix"), nil }

// skips: a sealed file among the inputs, where the outputs go beside them, is most likely the output of an earlier run; below -O, where the two cannot be mixed up, it is
// sealed like any other.
func (s *sealTree) skips(name string, beside bool) string {
	if suffix := s.c.String("suffix"); beside && strings.HasSuffix(name, suffix) {
		return "name ends in " + suffix + " already"
	}
	return ""
}

// check: any file can be sealed.
func (s *sealTree) check(context.Context, *input) error { return nil }

func (s *sealTree) perm(mode os.FileMode) os.FileMode { return mode.Perm() }

func (s *sealTree) dirPerm(mode os.FileMode) os.FileMode { return mode.Perm() }

func (s *sealTree) single(ctx context.Context, name string) error { return s.one(ctx, name) }

func (s *sealTree) canWhole() bool {
	return s.options.Compress == envelope.LevelNone && !s.c.Bool("armor")
}

func (s *sealTree) whole(ctx context.Context, dst, src []byte) ([]byte, error) {
	key, err := s.takeKey(ctx, int64(len(src)))
	if err != nil {
		return nil, err
	}
	defer s.pool.give(key)
	o := s.options
	o.LastUse = key.single
	out, h, err := envelope.AppendSealed(ctx, dst, src, key.DataKey, o)
	noteHeader(ctx, h)
	return out, err
}

func (s *sealTree) stream(ctx context.Context, dst io.Writer, src io.Reader, in *input, alone bool) error {
	one := *s.sealing
	if !alone {
		one.options.Workers = 1
	}
	return one.seal(ctx, dst, src, in)
}

// fatal: all files are sealed for the same keys, so what one cannot be sealed for none can.
func (s *sealTree) fatal(err error) bool {
	var k *keyFailure
	return errors.As(err, &k)
}

// current compares the sealed file's size, in which that of its own header is the only unknown. Of a compressed or armored one the time alone has to do.
func (s *sealTree) current(in, out *statedFile) (current, replaceable bool) {
	h, exact, err := out.header()
	if err != nil {
		return false, false // nobody knows what it is, so it stays
	}
	if out.st.Mtim != in.st.Mtim {
		return false, true
	}
	if !exact {
		return true, false
	}
	size, err := h.Layout().SealedSize(in.st.Size)
	return err == nil && size == out.st.Size, true
}

// keyFailure is that no data key could be had for sealing.
type keyFailure struct{ err error }

func (k *keyFailure) Error() string { return k.err.Error() }
func (k *keyFailure) Unwrap() error { return k.err }

// openTree opens the files of a tree.
type openTree struct {
	*opening
	one func(ctx context.Context, name string) error
}

func (o *openTree) verb() string { return verbDecrypt }

func (o *openTree) target(name string) (string, error) { return o.unsealedName(name) }

func (o *openTree) skips(name string, _ bool) string {
	if _, err := o.unsealedName(name); err != nil {
		return "name does not end in " + o.c.String("suffix")
	}
	return ""
}

func (o *openTree) perm(mode os.FileMode) os.FileMode {
	if o.c.Bool("preserve-mode") {
		return mode.Perm()
	}
	return mode.Perm() & 0o600
}

func (o *openTree) dirPerm(mode os.FileMode) os.FileMode {
	if o.c.Bool("preserve-mode") {
		return mode.Perm()
	}
	return mode.Perm() & 0o700
}

func (o *openTree) single(ctx context.Context, name string) error { return o.one(ctx, name) }

func (o *openTree) canWhole() bool { return true }

func (o *openTree) whole(ctx context.Context, dst, src []byte) ([]byte, error) {
	out, h, err := envelope.AppendOpened(ctx, dst, src, o.options, o.identity(ctx, ""))
	if errors.Is(err, envelope.ErrStreamOnly) || err != nil && h == nil {
		return nil, errStream // compressed; or a header in another shape, or in a journal
	}
	noteHeader(ctx, h)
	return out, err
}

func (o *openTree) stream(ctx context.Context, dst io.Writer, src io.Reader, in *input, alone bool) error {
	return o.opening.sharing(alone).open(ctx, dst, src, in)
}

// sharing is o for one file of many, alone or not on the cores.
func (o *opening) sharing(alone bool) *opening {
	one := *o
	if !alone {
		one.options.Workers = 1
	}
	return &one
}

// fatal: the next file may have another key.
func (o *openTree) fatal(error) bool { return false }

// current compares the plaintext's size. An output that is newer than its sealed file has been worked on since, and is kept.
func (o *opening) current(in, out *statedFile) (current, replaceable bool) {
	older := out.st.Mtim.Nano() < in.st.Mtim.Nano()
	if out.st.Mtim != in.st.Mtim {
		return false, older
	}
	h, exact, err := in.header()
	if err != nil {
		return false, false
	}
	if !exact {
		return true, false
	}
	size, err := h.Layout().PlaintextSize(in.st.Size)
	return err == nil && size == out.st.Size, true
}

// statedFile is an open file and what fstat said of it.
type statedFile struct {
	fd int
	st *unix.Stat_t
}

// header reads the header of a sealed file, armored or not, and tells whether sizes follow from each other. It leaves the file's position alone.
func (f *statedFile) header() (h *format.Header, exact bool, err error) {
	src, armored, err := format.Unarmored(io.NewSectionReader(preader(f.fd), 0, f.st.Size))
	if err != nil {
		return nil, false, err
	}
	if h, err = format.ReadHeader(src, format.Limits{MaxSlots: format.MaxSlots}); err != nil {
		return nil, false, err
	}
	return h, !armored && h.Compression == format.CompressionNone, nil
}

// preader reads a descriptor at offsets.
type preader int

func (p preader) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		m, err := unix.Pread(int(p), b[n:], off+int64(n))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return n, err
		}
		if m == 0 {
			return n, io.EOF
		}
		n += m
	}
	return n, nil
}
