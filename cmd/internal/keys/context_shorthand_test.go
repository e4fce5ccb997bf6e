package keys

import (
	"maps"
	"strings"
	"testing"
)

func TestShorthand(t *testing.T) {
	for text, want := range map[string]map[string]string{
		"a=b":                               {"a": "b"},
		"a=b,c=d":                           {"a": "b", "c": "d"},
		"a=b=c":                             {"a": "b=c"},
		"a=,b=":                             {"a": "", "b": ""},
		` a = "x, y" , b = 'it"s' `:         {"a": "x, y", "b": `it"s`},
		`a="say \"hi\" \\",b=c\,d`:          {"a": `say "hi" \`, "b": "c,d"},
		"aws:s3:arn=arn:aws:s3:::b/k,x-y=ü": {"aws:s3:arn": "arn:aws:s3:::b/k", "x-y": "ü"},
		"a=inner space ,b=1":                {"a": "inner space", "b": "1"},
		`a=C:\temp`:                         {"a": `C:\temp`},
	} {
		if got, err := ParseShorthand(text); err != nil || !maps.Equal(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "a", "=b", "a=b,", "a=b,,c=d", "a=1,a=2", `a="b`, `a='b'c`,
		"a=[b]", "a={b=c}", "a,b=c"} {
		if got, err := ParseShorthand(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

func FuzzShorthand(f *testing.F) {
	for _, s := range []string{"a=b,c=d", `a="x, y",b='z'`, `a=b\,c`, "a", "a=[b]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		pairs, err := ParseShorthand(text)
		if err == nil && len(pairs) == 0 {
			t.Fatalf("%q: no pairs and no error", text)
		}
		for k := range pairs {
			if k == "" || strings.ContainsAny(k, "=,") {
				t.Fatalf("%q: key %q", text, k)
			}
		}
	})
}
