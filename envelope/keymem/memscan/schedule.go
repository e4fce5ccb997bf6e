package memscan

import "encoding/binary"

// roundKeys returns the AES key schedule (FIPS 197, section 5.2) of a key of 16, 24 or 32 bytes as
// it is specified, in big-endian words; the first bytes are the key itself. The standard library
// does not give its own away.
func roundKeys(key []byte) []byte {
	nk := len(key) / 4
	words := make([]uint32, 4*(nk+7))
	for i := range nk {
		words[i] = binary.BigEndian.Uint32(key[4*i:])
	}
	box := sbox()
	substitute := func(w uint32) uint32 {
		return uint32(box[w>>24])<<24 | uint32(box[w>>16&0xff])<<16 |
			uint32(box[w>>8&0xff])<<8 | uint32(box[w&0xff])
	}
	rcon := byte(1)
	for i := nk; i < len(words); i++ {
		w := words[i-1]
		switch {
		case i%nk == 0:
			w = substitute(w<<8|w>>24) ^ uint32(rcon)<<24
			rcon = double(rcon)
		case nk > 6 && i%nk == 4:
			w = substitute(w)
		}
		words[i] = words[i-nk] ^ w
	}
	out := make([]byte, 0, 4*len(words))
	for _, w := range words {
		out = binary.BigEndian.AppendUint32(out, w)
	}
	return out
}

// double multiplies by x in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1.
func double(b byte) byte {
	if b&0x80 != 0 {
		return b<<1 ^ 0x1b
	}
	return b << 1
}

// sbox computes the S-box (FIPS 197, section 5.1.1): p runs through the powers of the generator 3
// while q runs through their inverses.
func sbox() (box [256]byte) {
	box[0] = 0x63
	for p, q := byte(1), byte(1); ; {
		p ^= double(p)
		q = divideBy3(q)
		r := q
		for range 4 {
			q = q<<1 | q>>7
			r ^= q
		}
		q = q<<4 | q>>4 // the other four rotations: q is what it was
		box[p] = r ^ 0x63
		if p == 1 {
			return box
		}
	}
}

// divideBy3 undoes the multiplication with x + 1: its inverse is 0xf6.
func divideBy3(b byte) (out byte) {
	for f := byte(0xf6); f != 0; f >>= 1 {
		if f&1 != 0 {
			out ^= b
		}
		b = double(b)
	}
	return out
}
