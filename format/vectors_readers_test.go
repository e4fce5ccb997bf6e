package format_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
)

// service is the key service of a vector: it has the answers that stand in the file, and no others.
type service struct {
	kmsclient.Client // it has no other operation
	*vector
}

// Decrypt implements kmsclient.Client.
func (s service) Decrypt(_ context.Context,
	in kmsclient.DecryptInput) (*kmsclient.DecryptOutput, error) {
	ec, err := format.Context(in.EncryptionContext).AppendBinary(nil)
	if err != nil {
		return nil, err
	}
	plaintext := s.answerTo(in.KeyID, ec, in.CiphertextBlob)
	if plaintext == nil {
		return nil, kmsclient.ErrInvalidCiphertext
	}
	return &kmsclient.DecryptOutput{KeyID: in.KeyID, Plaintext: &plainKey{plaintext}}, nil
}

type plainKey struct{ b []byte }

func (k *plainKey) Bytes() []byte { return k.b }
func (k *plainKey) Destroy()      { k.b = nil }

// identity asks that service, as the program asks KMS.
func (v *vector) identity() envelope.Identity {
	return &keyring.Discovery{Client: func(kmsclient.ARN) (kmsclient.Client, error) {
		return service{vector: v}, nil
	}}
}

// vectorReader is one of envseal's ways to read.
type vectorReader struct {
	name     string
	fits     func(v *vector) bool
	read     func(ctx context.Context, v *vector) ([]byte, error)
	inOrder  bool // what it says is the reason of the vector
	releases bool // what it gives out is to be compared
}

func anyVector(*vector) bool       { return true }
func unarmoredOnly(v *vector) bool { return v.form != "armor" }
func atOnce(v *vector) bool {
	h, err := v.parsedHeader()
	return v.form == "file" &&
		(err != nil || h.Compression == format.CompressionNone || v.options["no-decompress"] != "")
}
func byOffset(v *vector) bool {
	return v.form != "armor" && v.options["max-size"] == ""
}

var vectorReaders = []vectorReader{
	{"Open", anyVector, openReader(1, nil), true, true},
	{"Open, 3 workers", anyVector, openReader(3, nil), true, true},
	{"Open, byte by byte", anyVector, openReader(2, iotest.OneByteReader), true, true},
	{"Verify", anyVector, verifyReader, true, false},
	{"OpenTo", unarmoredOnly, openToReader, false, false},
	{"OpenAt", byOffset, openAtReader, false, true},
	{"AppendOpened", atOnce, appendReader, false, true},
}

func (v *vector) parsedHeader() (*format.Header, error) {
	return format.ReadHeader(bytes.NewReader(v.body),
		format.Limits{MaxSlots: int(v.limit("max-slots"))})
}

func (v *vector) openOptions(workers int) envelope.OpenOptions {
	o := envelope.OpenOptions{Workers: workers, MaxSlots: int(v.limit("max-slots")),
		MaxSize: v.limit("max-size"), NoDecompress: v.options["no-decompress"] != ""}
	if head, _ := v.files(); head != nil {
		o.Header = bytes.NewReader(head)
	}
	return o
}

// source is the sealed file as it comes out of its armor.
func (v *vector) source(wrap func(io.Reader) io.Reader) (io.Reader, error) {
	_, file := v.files()
	var src io.Reader = bytes.NewReader(file)
	if wrap != nil {
		src = wrap(src)
	}
	if v.form != "armor" {
		return src, nil
	}
	src, _, err := format.Unarmored(src)
	return src, err
}

func openReader(workers int,
	wrap func(io.Reader) io.Reader) func(context.Context, *vector) ([]byte, error) {
	return func(ctx context.Context, v *vector) ([]byte, error) {
		src, err := v.source(wrap)
		if err != nil {
			return nil, err
		}
		var out bytes.Buffer
		_, err = envelope.Open(ctx, &out, src, v.openOptions(workers), v.identity())
		return out.Bytes(), err
	}
}

func verifyReader(ctx context.Context, v *vector) ([]byte, error) {
	src, err := v.source(nil)
	if err == nil {
		_, err = envelope.Verify(ctx, src, v.openOptions(2), v.identity())
	}
	return nil, err
}

type discardAt struct{}

func (discardAt) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

// openToReader writes chunks in any order; what it writes is compared in the other tests of OpenTo.
func openToReader(ctx context.Context, v *vector) ([]byte, error) {
	_, file := v.files()
	_, err := envelope.OpenTo(ctx, discardAt{}, bytes.NewReader(file), int64(len(file)),
		v.openOptions(2), v.identity())
	return nil, err
}

func openAtReader(ctx context.Context, v *vector) ([]byte, error) {
	_, file := v.files()
	r, err := envelope.OpenAt(ctx, bytes.NewReader(file), int64(len(file)),
		v.openOptions(1), v.identity())
	if err != nil {
		return nil, err
	}
	defer r.Close()
	out := make([]byte, r.Size())
	n, err := r.ReadAt(out, 0)
	if errors.Is(err, io.EOF) && n == len(out) {
		err = nil
	}
	return out[:n], err
}

func appendReader(ctx context.Context, v *vector) ([]byte, error) {
	out, _, err := envelope.AppendOpened(ctx, nil, v.body, v.openOptions(1), v.identity())
	return out, err
}

// kindOf tells what an error says in the words of the vectors.
func kindOf(err error) string {
	switch {
	case err == nil:
		return "opens"
	case errors.Is(err, format.ErrNotEnvseal), errors.Is(err, format.ErrNotKeyFile):
		return "foreign"
	case errors.Is(err, format.ErrPreRelease):
		return "pre-release"
	case errors.Is(err, format.ErrVersion):
		return "newer"
	case errors.Is(err, envelope.ErrMaxSize):
		return "too large"
	case errors.Is(err, envelope.ErrDamaged), errors.Is(err, format.ErrDamaged):
		return "damaged"
	case errors.Is(err, envelope.ErrNoMatch), errors.Is(err, kmsclient.ErrInvalidCiphertext),
		errors.Is(err, kmsclient.ErrBadAnswer), errors.Is(err, keyring.ErrPolicy):
		return "no key"
	}
	return fmt.Sprint("failed: ", err)
}

// reasonOf is the finer word.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, envelope.ErrCompression):
		return "compression"
	case errors.Is(err, envelope.ErrCommitment):
		return "commitment"
	case errors.Is(err, envelope.ErrJoined):
		return "joined"
	case errors.Is(err, envelope.ErrTruncated), errors.Is(err, format.ErrTruncated):
		return "truncated"
	case errors.Is(err, envelope.ErrTampered):
		return "altered"
	case errors.Is(err, format.ErrDamaged) && bytes.Contains([]byte(err.Error()), []byte("armor is")):
		return "armor"
	case errors.Is(err, format.ErrDamaged):
		return "header"
	}
	return ""
}

// checkKeyFile reads a data key file or a pair file.
func checkKeyFile(t *testing.T, v *vector) {
	t.Helper()
	if v.form == "pair file" {
		f, err := format.ParsePairFile(v.body)
		if kindOf(err) != v.expect {
			t.Errorf("%s, want %s: %v", kindOf(err), v.expect, err)
		}
		if err == nil {
			id := f.PublicKeyID()
			context, _ := f.Context.AppendBinary(nil)
			sameChecksum(t, v,
				sumOf([]string{"envseal key pair", f.KeyPairSpec, f.Created.Format("2006-01-02T15:04:05Z"),
					string(context), f.KeyID, string(f.PrivateKeyCiphertextBlob), string(f.PublicKey)}))
			if !bytes.Contains(v.body, []byte(hex.EncodeToString(id[:]))) {
				t.Error("the public key id is another one")
			}
		}
		return
	}
	f, err := format.ParseDataKeyFile(v.body)
	if kindOf(err) != v.expect {
		t.Errorf("%s, want %s: %v", kindOf(err), v.expect, err)
	}
	if err != nil || f.Bare {
		return
	}
	context, _ := f.Context.AppendBinary(nil)
	fields := []string{"envseal data key", "AES_256",
		f.Created.Format("2006-01-02T15:04:05Z"), string(context)}
	for _, k := range f.Keys {
		fields = append(fields, k.KeyID, string(k.CiphertextBlob))
	}
	sameChecksum(t, v, sumOf(fields))
}

// sameChecksum compares the checksum of what was read with that of what was written.
func sameChecksum(t *testing.T, v *vector, got string) {
	t.Helper()
	if v.checksum == "" || got != v.checksum {
		t.Errorf("what was read has checksum %s, the vector says %s", got, v.checksum)
	}
}
