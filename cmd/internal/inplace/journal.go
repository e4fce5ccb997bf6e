package inplace

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"path/filepath"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/format"
)

// A journal is the header of a sealed file as it was before it is overwritten in place, in a file
// .envseal-NAME.journal beside it. It is there from before the first byte of the header changes
// until the last has reached the disk. Should the machine or the process go down meanwhile, the
// header in the file may be a mixture of both, which its checksum tells; then every command takes
// the one in the journal, and the next rewrap of the file puts it back.
//
//	journal = "envseal journal" 0x01 || u32 header length || header || SHA-256 of all before it
//
// Its name is no proof that it belongs to a file: its descriptor and commitment are. Those stay the
// same when slots change, and no other file has them.
const (
	journalMagic  = "envseal journal\x01"
	journalFixed  = len(journalMagic) + 4 + sha256.Size
	maxNameLength = 255 // NAME_MAX of every file system in use
)

// journalName is the journal's for the file base.
func journalName(base string) string {
	if name := file.TempPrefix + base + file.JournalSuffix; len(name) <= maxNameLength {
		return name
	}
	sum := sha256.Sum256([]byte(base))
	return file.TempPrefix + hex.EncodeToString(sum[:]) + file.JournalSuffix
}

// encodeJournal gives what comes before the header, and behind it.
func encodeJournal(header []byte) (before, behind []byte) {
	before = binary.BigEndian.AppendUint32([]byte(journalMagic), uint32(len(header)))
	sum := sha256.New()
	sum.Write(before)
	sum.Write(header)
	return before, sum.Sum(nil)
}

// decodeJournal is the header in a journal, nil if it was not written to its end.
func decodeJournal(b []byte) []byte {
	if len(b) < journalFixed || string(b[:len(journalMagic)]) != journalMagic {
		return nil
	}
	body, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	header := body[len(journalMagic)+4:]
	want := sha256.Sum256(body)
	if !bytes.Equal(sum, want[:]) ||
		uint64(binary.BigEndian.Uint32(body[len(journalMagic):])) != uint64(len(header)) {
		return nil
	}
	return header
}

// fits tells whether header is a sound one of the file that begins with the bytes of torn: the same
// descriptor, commitment and header length, so the same payload in the same place, whatever the
// slots.
func fits(header, torn []byte) bool {
	h, err := format.ParseHeader(header, format.Limits{MaxSlots: format.MaxSlots})
	if err != nil || h.Length != int64(len(header)) {
		return false
	}
	fixed, err := h.Descriptor.AppendBinary(nil)
	if err != nil {
		return false
	}
	n := len(fixed) + format.CommitmentSize + 4 // the header length comes right behind
	return len(torn) >= n && bytes.Equal(header[:n], torn[:n])
}

// MostKept is how long a header may be to be kept in memory from looking for tears to its use. What
// is read a second time may have changed, by a rewrap that is at work right now; headers that are
// longer than any writer has reason to make are given that chance, rather than the memory.
const MostKept = 1 << 20

// foundHead is the header of a file that a rewrap may have torn.
type foundHead struct {
	bytes       []byte // nil for a sound one of more than MostKept
	length      int64
	fromJournal bool
}

// keptBytes collects up to MostKept bytes, or none.
type keptBytes struct {
	b       []byte
	tooMany bool
}

func (k *keptBytes) Write(p []byte) (int, error) {
	if k.tooMany = k.tooMany || len(k.b)+len(p) > MostKept; k.tooMany {
		k.b = nil
	} else {
		k.b = append(k.b, p...)
	}
	return len(p), nil
}

// isTorn tells whether the error of format.CheckHeader is what an interrupted rewrap leaves: damage
// of a header that is there whole.
func isTorn(err error) bool {
	return errors.Is(err, format.ErrDamaged) && !errors.Is(err, format.ErrTruncated)
}

// wholeHead finds the header of a sealed file of the given size, in the journal if it is torn. An
// error of the header comes where neither is whole. The slots are not looked at. find looks for the
// journal of the file that begins with torn, nil if there is none.
func wholeHead(f io.ReaderAt, size int64, find func(torn []byte) []byte) (_ foundHead, err error) {
	for range 3 {
		var kept keptBytes
		var before []byte
		var length int64
		before, length, err =
			format.CheckHeader(io.TeeReader(bufio.NewReader(io.NewSectionReader(f, 0, size)), &kept))
		if !isTorn(err) {
			return foundHead{bytes: kept.b, length: length}, err
		}
		if old := find(before); old != nil {
			return foundHead{bytes: old, length: length, fromJournal: true}, nil
		}
		// A rewrap that is at work right now may have finished in between.
	}
	return foundHead{}, err
}

// soundHead is wholeHead with all bytes, and nothing wrong in them.
func soundHead(f io.ReaderAt, size int64,
	find func(torn []byte) []byte) (head []byte, fromJournal bool, err error) {
	found, err := wholeHead(f, size, find)
	if err != nil {
		return nil, false, err
	}
	if head = found.bytes; head == nil {
		head = make([]byte, found.length)
		n, err := f.ReadAt(head, 0)
		if head = head[:n]; err != nil && err != io.EOF {
			return nil, false, err
		}
	}
	_, err = format.ParseHeader(head, format.Limits{MaxSlots: format.MaxSlots})
	return head, found.fromJournal, err
}

// findJournal looks for the header that belongs to the file base in dir, which begins with torn:
// under the journal's name for it, then, as the file may have been renamed or have several names,
// in all journals beside it. nil if there is none.
func findJournal(dir *file.Dir, base string, torn []byte) []byte {
	if header := readJournal(dir, journalName(base)); fits(header, torn) {
		return header
	}
	for name := range dir.Journals() {
		if header := readJournal(dir, name); fits(header, torn) {
			return header
		}
	}
	return nil
}

// readJournal is the header in the journal name, nil if there is none that is sound. A link or a
// pipe planted under the name is not followed.
func readJournal(dir *file.Dir, name string) []byte {
	in, err := dir.OpenFile(name, name, false)
	if err != nil {
		return nil
	}
	defer in.Close()
	if in.Size > format.MaxHeader+int64(journalFixed) {
		return nil
	}
	b := make([]byte, in.Size)
	if _, err := io.ReadFull(in, b); err != nil {
		return nil
	}
	return decodeJournal(b)
}

// UseJournal is for a sealed file that is about to be read: where an interrupted rewrap has torn
// its header, what is read from now on has the one from the journal in its place. Nothing is
// written. It does nothing for standard input, for what is no regular file, or where there is no
// journal.
func UseJournal(in *file.Input) error {
	if !in.IsWhole() || !in.IsNamed() {
		return nil
	}
	found, err := wholeHead(in, in.Size, func(torn []byte) []byte { return journalOfInput(in, torn) })
	if exit.Code(err) != 0 {
		return err
	}
	if err != nil {
		return nil // whoever reads the header says what is wrong with it
	}
	if found.fromJournal {
		ui.Note("%s: a rewrap was interrupted: using the key slots from before it",
			ui.ShownInput(in.Name))
	}
	if found.bytes == nil {
		return nil
	}
	return in.Begin(found.bytes)
}

// journalOfInput is findJournal. It lies beside the file itself, wherever a link to it may be.
func journalOfInput(in *file.Input, torn []byte) []byte {
	if in.Dir != nil {
		if st, err := in.Dir.Look(in.Base, false); err == nil && !st.IsLink() {
			return findJournal(in.Dir, in.Base, torn)
		}
	}
	path, err := filepath.EvalSymlinks(in.Name)
	if err != nil {
		return nil
	}
	dir, err := file.OpenDir(filepath.Dir(path))
	if err != nil {
		return nil
	}
	defer dir.Close()
	return findJournal(dir, filepath.Base(path), torn)
}
