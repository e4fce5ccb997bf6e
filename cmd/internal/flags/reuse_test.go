package flags

import "testing"

func TestReuseCount(t *testing.T) {
	for s, want := range map[string]int{"true": 1000, "false": 0, "1": 1,
		"50000": 50000, "2147483648": 1 << 31} {
		n := optionalValue[int]{bare: defaultReuse, parse: parseReuse}
		if err := n.Set(s); err != nil || n.value != want {
			t.Errorf("%s: %d, %v", s, n.value, err)
		}
	}
	for _, s := range []string{"", "0", "-1", "many", "1.5", "2147483649", "99999999999999999999"} {
		n := optionalValue[int]{value: 7, bare: defaultReuse, parse: parseReuse}
		if err := n.Set(s); err == nil || n.value != 7 {
			t.Errorf("%q: %d, %v", s, n.value, err)
		}
	}
}
