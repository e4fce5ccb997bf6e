package keymem

import (
	"crypto/rsa"
	"math/big"
)

// WipeRSA clears the numbers of the key: those that package crypto/rsa exports, and the copies that
// it computes with. It tells whether it found them all, as [WipeField] does. The key is of no use
// afterwards. Copies made when it was read or generated are not reached.
func WipeRSA(k *rsa.PrivateKey) bool {
	for _, n := range append([]*big.Int{k.D, k.Precomputed.Dp, k.Precomputed.Dq, k.Precomputed.Qinv},
		k.Primes...) {
		if n != nil {
			clear(n.Bits())
		}
	}
	done := true
	for _, path := range [][]string{
		{"d", "limbs"}, {"qInv", "limbs"}, {"dP"}, {"dQ"},
		{"p", "nat", "limbs"}, {"p", "rr", "limbs"}, {"q", "nat", "limbs"}, {"q", "rr", "limbs"},
	} {
		done = WipeField(k, append([]string{"Precomputed", "fips"}, path...)...) && done
	}
	return done
}
