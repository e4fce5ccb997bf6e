package format_test

import (
	"bytes"
	"strings"
)

// contexts are vectors about the encryption context.
func (m *maker) contexts() {
	good := func(name, comment string, texts ...string) {
		p := m.plan("context-" + name)
		p.context = rawContext(texts...)
		m.opens(comment, p.bind())
	}
	good("one-pair", "one pair", "app", "web")
	good("two-pairs", "two pairs", "app", "web", "env", "prod")
	good("empty-key", "an empty key", "", "value")
	good("empty-value", "an empty value", "key", "")
	good("empty-pair", "key and value are empty", "", "")
	good("key-begins-another", "a key comes before a longer one that it begins", "a", "1", "ab", "2")
	good("not-normalised", "the two spellings of é are two keys: there is no normalisation",
		"e\u0301", "1", "\u00e9", "2")
	good("byte-order",
		"keys are sorted by their bytes: U+FFFD before U+10000, which UTF-16 would turn round",
		"\ufffd", "1", "\U00010000", "2")
	good("upper-before-lower", "A, Z, a: no case folding", "A", "1", "Z", "2", "a", "3")
	good("noncharacter", "U+FFFF and U+10FFFF are valid UTF-8", "\uffff", "\U0010ffff")
	good("control-characters", "NUL, line feed and escape: a reader escapes them before showing them",
		"a\x00b", "c\nd\x1b[31m")
	good("byte-order-mark", "a byte order mark is text like any other", "\ufeffkey", "value")
	good("largest", "65 536 bytes, the most", "k", strings.Repeat("v", 65536/2-7), "l",
		strings.Repeat("v", 65536/2-5))
	m.contextSpellings()
	m.contextTexts()
	m.contextLengths()
}

func (m *maker) badContext(name, comment string, raw []byte) {
	p := m.plan("context-" + name)
	p.context = raw
	m.damaged("header", comment, p.bind())
}

// contextSpellings are about order, duplicates, counts and lengths.
func (m *maker) contextSpellings() {
	bad := m.badContext
	bad("too-large", "65 537 bytes, one more than the most",
		rawContext("k", strings.Repeat("v", 65536/2-7), "l", strings.Repeat("v", 65536/2-4)))
	bad("no-bytes", "no bytes at all: the empty context has two", nil)
	bad("one-byte", "one byte", []byte{0})
	bad("order", "keys out of order", rawContext("env", "prod", "app", "web"))
	bad("order-of-beginning", "a longer key before one that it begins with",
		rawContext("ab", "1", "a", "2"))
	bad("order-of-utf-16", "sorted as UTF-16 sorts: U+10000 before U+FFFD",
		rawContext("\U00010000", "1", "\ufffd", "2"))
	bad("key-twice", "a key twice with two values", rawContext("a", "1", "a", "2"))
	bad("pair-twice", "a pair twice", rawContext("a", "1", "a", "1"))
	bad("empty-key-twice", "the empty key twice", rawContext("", "1", "", "2"))
	bad("count-too-small", "one pair more than the count says",
		append([]byte{0, 1}, rawContext("a", "1", "b", "2")[2:]...))
	bad("count-too-large", "one pair fewer than the count says",
		append([]byte{0, 3}, rawContext("a", "1", "b", "2")[2:]...))
	bad("count-65535", "the count says 65 535 pairs, and there is one",
		append([]byte{255, 255}, rawContext("a", "1")[2:]...))
	bad("byte-behind", "a zero byte behind the last pair", append(rawContext("a", "1"), 0))
	bad("empty-byte-behind", "a zero byte behind the empty context", []byte{0, 0, 0})
	bad("key-too-long", "the length of a key goes beyond the context",
		[]byte("\x00\x01\x00\x09abc\x00\x011"))
	bad("value-too-long", "the length of a value goes beyond the context",
		[]byte("\x00\x01\x00\x01a\xff\xff1"))
	bad("value-missing", "a key without a value", []byte("\x00\x01\x00\x01a"))
	bad("half-a-length", "half of the length of a value", []byte("\x00\x01\x00\x01a\x00"))
}

// contextTexts are about text that is no UTF-8.
func (m *maker) contextTexts() {
	for name, c := range map[string]struct{ comment, text string }{
		"not-utf-8":          {"0xff", "\xff"},
		"overlong":           {"an overlong form of /", "\xc0\xaf"},
		"overlong-nul":       {"NUL as Java writes it", "\xc0\x80"},
		"surrogate":          {"half of a surrogate pair", "\xed\xa0\x80"},
		"surrogate-pair":     {"a surrogate pair as CESU-8", "\xed\xa0\x80\xed\xb0\x80"},
		"above-10ffff":       {"U+110000", "\xf4\x90\x80\x80"},
		"cut-sequence":       {"a sequence that is cut off", "\xe2\x82"},
		"lone-continuation":  {"a continuation byte by itself", "\x80"},
		"five-byte-sequence": {"a sequence of five bytes", "\xf8\x88\x80\x80\x80"},
	} {
		m.badContext(name+"-in-key", c.comment+" in a key", rawContext(c.text, "value"))
		m.badContext(name+"-in-value", c.comment+" in a value", rawContext("key", c.text))
	}
}

// contextLengths are about the length field, and about contexts changed by somebody without the
// key.
func (m *maker) contextLengths() {
	for _, c := range []struct {
		name, comment string
		length        int
	}{
		{"length-one-more", "the context length takes in the first byte of the commitment", 12},
		{"length-one-less", "the context length leaves out the last byte of the context", 10},
		{"length-65537", "context length 65 537", 65537},
		{"length-all-ones", "context length 2^32-1", 1<<32 - 1},
		{"length-0", "context length 0 where there is a context", 0},
	} {
		p := m.plan("context-" + c.name)
		p.context = rawContext("a", "bcde")
		p.bind().contextLen = c.length
		m.damaged("", c.comment, p)
	}
	p := m.plan("context-changed")
	p.context = rawContext("env", "prod")
	p.bind()
	p.commitment, _ = p.keys()
	p.chunks = p.sealed()
	p.context = bytes.Replace(p.context, []byte("prod"), []byte("test"), 1)
	p.answers = append(p.answers, answer{exampleKMSKey, p.context, p.blob(), p.dataKey})
	m.damaged("commitment",
		"the context was changed after sealing, and the key service does not care", p)

	p = m.plan("context-of-another-key")
	p.context = rawContext("env", "prod")
	p.bind().context = rawContext("env", "test")
	m.refused("no key", "", "the blob was made with another context, so the key service refuses", p,
		p.file(), 0)
}
