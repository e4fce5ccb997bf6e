package format_test

import (
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// streamBySpec decompresses a whole stream. It measures each frame, and a zstd decoder decodes it.
func streamBySpec(stream []byte) ([]byte, error) {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		return nil, err
	}
	defer decoder.Close()
	content, entries := []byte{}, [][2]uint32{}
	for {
		if len(stream) < 8 {
			return nil, fmt.Errorf("%w: the stream ends without a seek table", errRefused)
		}
		if binary.LittleEndian.Uint32(stream) == 0x184d2a5e {
			break
		}
		size, stated, err := frameBySpec(stream)
		if err != nil {
			return nil, err
		}
		was := len(content)
		content, err = decoder.DecodeAll(stream[:size], content)
		if err != nil || len(content)-was != stated {
			return nil, fmt.Errorf("%w: frame %d: %d bytes of content, %d stated: %v",
				errRefused, len(entries), len(content)-was, stated, err)
		}
		entries = append(entries, [2]uint32{uint32(size), uint32(stated)})
		stream = stream[size:]
	}
	return content, tableBySpec(stream, entries)
}

func tableBySpec(b []byte, entries [][2]uint32) error {
	bad := fmt.Errorf("%w: seek table", errRefused)
	if len(b) < 17 || len(b) != 8+int(binary.LittleEndian.Uint32(b[4:])) ||
		string(b[len(b)-4:]) != "\xb1\xea\x92\x8f" {
		return bad
	}
	foot := b[len(b)-9:]
	entry := 8
	if foot[4] == 0x80 {
		entry = 12
	} else if foot[4] != 0 {
		return bad
	}
	if int(binary.LittleEndian.Uint32(foot)) != len(entries) || len(b) != 17+entry*len(entries) {
		return bad
	}
	for i, want := range entries {
		at := b[8+i*entry:]
		if binary.LittleEndian.Uint32(at) != want[0] || binary.LittleEndian.Uint32(at[4:]) != want[1] {
			return bad
		}
	}
	return nil
}

// frameBySpec walks over one frame (RFC 8878, section 3.1.1) and holds it to the bounds. It gives
// the sizes of the frame and of its content.
func frameBySpec(b []byte) (size, content int, err error) {
	bad := func(what string) (int, int, error) {
		return 0, 0, fmt.Errorf("%w: frame: %s", errRefused, what)
	}
	if binary.LittleEndian.Uint32(b) != 0xfd2fb528 || b[4]&8 != 0 {
		return bad("magic or reserved bit")
	}
	single := b[4]&0x20 != 0
	dictionary := []int{0, 1, 2, 4}[b[4]&3]
	sizes := []int{0, 2, 4, 8}[b[4]>>6]
	if sizes == 0 && single {
		sizes = 1
	}
	at := 5
	window := uint64(0)
	if !single {
		window = uint64(8+b[5]&7) << (7 + b[5]>>3) // (1 + m/8) 2^(10+e)
		at++
	}
	if len(b) < at+dictionary+sizes || sizes == 0 {
		return bad("no content size")
	}
	var id, stated uint64
	for i := range dictionary {
		id |= uint64(b[at+i]) << (8 * i)
	}
	for i := range sizes {
		stated |= uint64(b[at+dictionary+i]) << (8 * i)
	}
	if sizes == 2 {
		stated += 256
	}
	if single {
		window = stated
	}
	if id != 0 || stated == 0 || stated > 4<<20 || window > 8<<20 {
		return bad("bounds")
	}
	size, err = blocksBySpec(b, at+dictionary+sizes, int(min(window, 128<<10)), b[4]&4 != 0)
	return size, int(stated), err
}

// blocksBySpec walks over the blocks from at on and what is behind them.
func blocksBySpec(b []byte, at, most int, checksum bool) (int, error) {
	for last := false; !last; {
		if len(b) < at+3 {
			return 0, fmt.Errorf("%w: a frame ends before a block", errRefused)
		}
		v := int(b[at]) | int(b[at+1])<<8 | int(b[at+2])<<16
		size := v >> 3
		if last = v&1 != 0; size > most || v>>1&3 == 3 {
			return 0, fmt.Errorf("%w: block", errRefused)
		}
		if v>>1&3 == 1 {
			size = 1
		}
		at += 3 + size
	}
	if checksum {
		at += 4
	}
	if at > len(b) || at > 4259840 {
		return 0, fmt.Errorf("%w: size of a frame", errRefused)
	}
	return at, nil
}
