package keystore

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// secp256k1 (SEC 2, section 2.4.1), as far as making a key needs it: a scalar times the generator. The standard library does not have the
// curve. Nothing here branches on, or indexes by, a secret; no number leaves the stack.

const secpSize = 32

// fe is a number modulo p = 2^256 - 2^32 - 977, below p, least significant limb first.
type fe [4]uint64

const secpC = 1<<32 + 977 // 2^256 - p

// secpOrder is the number of points; scalars are 1..order-1.
var secpOrder = []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xba\xae\xdc\xe6\xaf\x48\xa0\x3b\xbf\xd2\x5e\x8c\xd0\x36\x41\x41")

var secpG = secpPoint{
	x: fe{0x59f2815b16f81798, 0x029bfcdb2dce28d9, 0x55a06295ce870b07, 0x79be667ef9dcbbac},
	y: fe{0x9c47d08ffb10d4b8, 0xfd17b448a6855419, 0x5da4fbfc0e1108a8, 0x483ada7726a3c465},
	z: fe{1},
}

// secpPoint is x/z, y/z; the neutral element is 0, 1, 0.
type secpPoint struct{ x, y, z fe }

// secpScalarOK tells whether the 32 bytes are a private key. Its running time tells no more than that.
func secpScalarOK(scalar []byte) bool {
	var any byte
	for _, b := range scalar {
		any |= b
	}
	return any != 0 && bytes.Compare(scalar, secpOrder) < 0
}

// secpPublic is the uncompressed point (SEC 1, section 2.3.3) of a private key.
func secpPublic(scalar []byte) []byte {
	sum := secpPoint{y: fe{1}}
	for i := range 8 * secpSize {
		bit := uint64(scalar[i/8]>>(7-i%8)) & 1
		sum = secpAdd(&sum, &sum)
		more := secpAdd(&sum, &secpG)
		sum.x, sum.y, sum.z = choose(bit, more.x, sum.x), choose(bit, more.y, sum.y), choose(bit, more.z, sum.z)
	}
	zInv := invert(sum.z)
	out := []byte{4}
	for _, v := range []fe{mul(sum.x, zInv), mul(sum.y, zInv)} {
		for i := 3; i >= 0; i-- {
			out = binary.BigEndian.AppendUint64(out, v[i])
		}
	}
	return out
}

// secpAdd adds any two points, equal and neutral ones too: Renes, Costello, Batina, "Complete addition formulas for prime order elliptic
// curves" (2015), algorithm 7 for a = 0, with 3b = 21.
func secpAdd(p, q *secpPoint) secpPoint {
	b3 := fe{21}
	xx, yy, zz := mul(p.x, q.x), mul(p.y, q.y), mul(p.z, q.z)
	xy := sub(mul(add(p.x, p.y), add(q.x, q.y)), add(xx, yy)) // x1y2 + x2y1
	yz := sub(mul(add(p.y, p.z), add(q.y, q.z)), add(yy, zz))
	xz := sub(mul(add(p.x, p.z), add(q.x, q.z)), add(xx, zz))
	xx3 := add(add(xx, xx), xx)
	bzz, bxz := mul(b3, zz), mul(b3, xz)
	plus, minus := add(yy, bzz), sub(yy, bzz)
	return secpPoint{
		x: sub(mul(xy, minus), mul(yz, bxz)),
		y: add(mul(minus, plus), mul(bxz, xx3)),
		z: add(mul(yz, plus), mul(xx3, xy)),
	}
}

// choose is a where bit is 1, b where it is 0.
func choose(bit uint64, a, b fe) (out fe) {
	mask := -bit
	for i := range out {
		out[i] = b[i] ^ mask&(a[i]^b[i])
	}
	return out
}

// settle brings carry*2^256 + v, which is below 2p, under p.
func settle(carry uint64, v fe) fe {
	var less fe
	var c uint64
	less[0], c = bits.Add64(v[0], secpC, 0)
	for i := 1; i < 4; i++ {
		less[i], c = bits.Add64(v[i], 0, c)
	}
	return choose(carry|c, less, v)
}

func add(a, b fe) fe {
	var sum fe
	var c uint64
	for i := range sum {
		sum[i], c = bits.Add64(a[i], b[i], c)
	}
	return settle(c, sum)
}

func sub(a, b fe) fe {
	var d fe
	var borrow uint64
	for i := range d {
		d[i], borrow = bits.Sub64(a[i], b[i], borrow)
	}
	// A negative difference stands there as 2^256 too much; p too much is wanted.
	d[0], borrow = bits.Sub64(d[0], secpC&-borrow, 0)
	for i := 1; i < 4; i++ {
		d[i], borrow = bits.Sub64(d[i], 0, borrow)
	}
	return d
}

func mul(a, b fe) fe {
	var wide [8]uint64
	for i := range 4 {
		var carry uint64
		for j := range 4 {
			wide[i+j], carry = mulAdd(a[i], b[j], wide[i+j], carry)
		}
		wide[i+4] = carry
	}
	// 2^256 is secpC modulo p: fold the upper half down, then what that carries out, and once more.
	var low fe
	var carry uint64
	for i := range low {
		low[i], carry = mulAdd(wide[i+4], secpC, wide[i], carry)
	}
	low[0], carry = mulAdd(carry, secpC, low[0], 0)
	for i := 1; i < 4; i++ {
		low[i], carry = bits.Add64(low[i], carry, 0)
	}
	return settle(carry, low)
}

// mulAdd is x*y + a + b, which fits two limbs.
func mulAdd(x, y, a, b uint64) (low, high uint64) {
	high, low = bits.Mul64(x, y)
	var c uint64
	low, c = bits.Add64(low, a, 0)
	high += c
	low, c = bits.Add64(low, b, 0)
	return low, high + c
}

// invert is a^(p-2), by Fermat; the exponent is public.
func invert(a fe) fe {
	exponent := fe{0xfffffffefffffc2d, 0xffffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff}
	out := fe{1}
	for i := 255; i >= 0; i-- {
		out = mul(out, out)
		if exponent[i/64]>>(i%64)&1 == 1 {
			out = mul(out, a)
		}
	}
	return out
}
