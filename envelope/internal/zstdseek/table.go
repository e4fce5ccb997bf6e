package zstdseek

import (
	"encoding/binary"
	"io"
)

const (
	tableMagic  = 0x184d2a5e // of the skippable frame that holds the table
	footerMagic = 0x8f92eab1
	tableHeader = 4 + 4
	tableFooter = 4 + 1 + 4
	entrySize   = 4 + 4
	// With this flag every entry ends with a checksum of its frame's content, which the frame has too.
	// We write none and read over it.
	flagChecksums     = 0x80
	entryChecksumSize = 4
)

// Table gathers the entries of a seek table while the frames are written, in 8 bytes each.
type Table struct {
	entries []byte
	frames  uint32
}

// Add notes the next frame.
func (t *Table) Add(frame, content int) error {
	if t.frames == MaxFrames {
		return ErrTooManyFrames
	}
	t.frames++
	t.entries = binary.LittleEndian.AppendUint32(t.entries, uint32(frame))
	t.entries = binary.LittleEndian.AppendUint32(t.entries, uint32(content))
	return nil
}

// WriteTo writes the seek table. Nothing may be written behind it.
func (t *Table) WriteTo(w io.Writer) (n int64, err error) {
	var head [tableHeader]byte
	binary.LittleEndian.PutUint32(head[0:], tableMagic)
	binary.LittleEndian.PutUint32(head[4:], uint32(len(t.entries)+tableFooter))
	var foot [tableFooter]byte
	binary.LittleEndian.PutUint32(foot[0:], t.frames)
	binary.LittleEndian.PutUint32(foot[5:], footerMagic)
	for _, part := range [][]byte{head[:], t.entries, foot[:]} {
		if len(part) == 0 {
			continue
		}
		m, err := w.Write(part)
		n += int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// parseFooter reads the last tableFooter bytes of a stream.
func parseFooter(b []byte) (frames uint32, entry int, err error) {
	if binary.LittleEndian.Uint32(b[5:]) != footerMagic {
		return 0, 0, malformed("it does not end with a seek table")
	}
	frames, entry = binary.LittleEndian.Uint32(b), entrySize
	switch b[4] {
	case 0:
	case flagChecksums:
		entry += entryChecksumSize
	default:
		return 0, 0, malformed("the seek table has unknown flags %#02x", b[4])
	}
	if frames > MaxFrames {
		return 0, 0, malformed("the seek table has %d frames, more than %d", frames, MaxFrames)
	}
	return frames, entry, nil
}

// checkTableHeader checks the first tableHeader bytes of a seek table against what is known of it.
func checkTableHeader(b []byte, body uint64) error {
	if binary.LittleEndian.Uint32(b) != tableMagic {
		return malformed("no seek table begins where one should")
	}
	if n := binary.LittleEndian.Uint32(b[4:]); uint64(n) != body {
		return malformed("the seek table says it has %d bytes, it should have %d", n, body)
	}
	return nil
}
