package format_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// armorText is armor by hand, of the specification alone.
func armorText(file []byte) []byte {
	text := []byte(beginLine)
	for len(file) > 0 {
		n := min(48, len(file))
		text = append(append(text, base64.StdEncoding.EncodeToString(file[:n])...), '\n')
		file = file[n:]
	}
	return append(text, endLine...)
}

// armors are vectors about files as text.
func (m *maker) armors() {
	armored := func(name string, size int) (*plan, []byte) {
		p := m.plan("armor-" + name)
		p.content = stuff(p.name, size)
		return p, armorText(p.file())
	}
	good := func(name, comment string, size int, change func(text []byte) []byte) {
		p, text := armored(name, size)
		v := m.opens(comment, p)
		v.form, v.body = "armor", change(text)
	}
	same := func(b []byte) []byte { return b }
	good("full-last-line", "the file has 528+48 bytes: a multiple of 48, so the last line is full", 48, same)
	good("last-line-of-4", "the last line has 4 characters, two of them padding", 49, same)
	good("padding-1", "one character of padding", 50, same)
	good("padding-0", "no padding, and a last line that is not full", 51, same)
	good("empty", "an empty plaintext", 0, same)
	good("three-chunks", "three chunks", 2*specChunk+1, same)
	good("crlf", "lines end with carriage return and line feed", 100, crlf)
	good("mixed-line-ends", "some lines end with carriage return and line feed", 100, func(b []byte) []byte { return bytes.Replace(b, []byte("\n"), []byte("\r\n"), 4) })
	good("end-without-line-end", "the END line has no line end", 100, func(b []byte) []byte { return bytes.TrimSuffix(b, []byte("\n")) })
	begin, end := strings.TrimSpace(beginLine), strings.TrimSpace(endLine)
	bad := func(expect, reason, name, comment string, change func(text string) string) {
		p, text := armored(name, 100)
		v := m.refused(expect, reason, comment, p, []byte(change(string(text))), 0)
		v.form = "armor"
		if reason == "behind" { // found when the file has been read
			v.reason, v.released = "armor", []released{releasedOf(nil), releasedOf(p.content)}
		}
	}
	swap := func(from, to string) func(string) string {
		return func(text string) string {
			if !strings.Contains(text, from) {
				m.t.Fatalf("no %q in the armor", from)
			}
			return strings.Replace(text, from, to, 1)
		}
	}
	bad("foreign", "", "other-label", "PEM with another label", swap("BEGIN ENVSEAL FILE", "BEGIN CERTIFICATE"))
	bad("foreign", "", "lower-case-begin", "the BEGIN line in lower case", swap(begin, strings.ToLower(begin)))
	bad("foreign", "", "four-hyphens", "four hyphens before BEGIN", swap(begin, begin[1:]))
	bad("foreign", "", "space-behind-begin", "a space behind the BEGIN line", swap(begin, begin+" "))
	bad("foreign", "", "line-before", "an empty line before the BEGIN line", func(s string) string { return "\n" + s })
	bad("foreign", "", "text-before", "a line of text before the BEGIN line", func(s string) string { return "Here it is:\n" + s })
	bad("foreign", "", "byte-order-mark", "a UTF-8 byte order mark before the BEGIN line", func(s string) string { return "\ufeff" + s })
	bad("damaged", "truncated", "begin-cut", "the file ends in the BEGIN line", func(string) string { return begin[:20] })
	bad("damaged", "truncated", "begin-only", "the file ends behind the BEGIN line", func(string) string { return beginLine })
	bad("damaged", "", "nothing-inside", "no line between BEGIN and END", func(string) string { return beginLine + endLine })
	m.all[len(m.all)-1].expect = "foreign"
	bad("damaged", "truncated", "end-missing", "the END line is missing", swap(endLine, ""))
	bad("damaged", "truncated", "end-cut", "the END line lacks its last hyphen and what is behind it", swap("-\n", "-\n")) // replaced below
	last := m.all[len(m.all)-1]
	last.body = bytes.TrimSuffix(last.body, []byte("-\n"))
	bad("damaged", "truncated", "end-half-line-end", "a carriage return without its line feed behind the END line", func(s string) string { return strings.TrimSuffix(s, "\n") + "\r" })
	bad("damaged", "behind", "line-behind", "an empty line behind the END line", func(s string) string { return s + "\n" })
	bad("damaged", "behind", "text-behind", "text behind the END line", func(s string) string { return s + "-- \nregards\n" })
	bad("damaged", "behind", "twice", "the armored file twice", func(s string) string { return s + s })
	bad("damaged", "behind", "end-twice", "the END line twice", func(s string) string { return s + endLine })
	bad("damaged", "armor", "begin-twice", "the BEGIN line twice", func(s string) string { return beginLine + s })
	bad("damaged", "behind", "end-lower-case", "the END line in lower case", swap(end, strings.ToLower(end)))
	bad("damaged", "behind", "end-other-label", "the END line has another label", swap("END ENVSEAL FILE", "END ENVSEAL"))
	bad("damaged", "armor", "header", "a header, as PEM of old has them", swap(beginLine, beginLine+"Comment: no\n\n"))
	bad("damaged", "armor", "empty-line", "an empty line behind the BEGIN line", swap(beginLine, beginLine+"\n"))
	lines := func(name, comment string, change func(lines []string) []string) {
		bad("damaged", "armor", name, comment, func(s string) string {
			return strings.Join(change(strings.SplitAfter(s, "\n")), "")
		})
	}
	lines("empty-line-inside", "an empty line between two lines", func(l []string) []string { return slices.Insert(l, 3, "\n") })
	lines("line-of-60", "a line of 60 characters that is not the last", func(l []string) []string { l[2] = l[2][:60] + "\n" + l[2][60:]; return l })
	lines("line-of-68", "a line of 68 characters", func(l []string) []string { l[2], l[3] = l[2][:64]+l[3][:4]+"\n", l[3][4:]; return l })
	lines("line-of-76", "lines of 76 characters, as MIME has them", func(l []string) []string {
		all := strings.ReplaceAll(strings.Join(l[1:len(l)-2], ""), "\n", "")
		var out []string
		for part := range slices.Chunk([]byte(all), 76) {
			out = append(out, string(part)+"\n")
		}
		return slices.Concat(l[:1], out, l[len(l)-2:])
	})
	lines("one-line", "all on one line", func(l []string) []string {
		return []string{l[0], strings.ReplaceAll(strings.Join(l[1:len(l)-2], ""), "\n", "") + "\n", endLine}
	})
	lines("space-before", "a space at the beginning of a line", func(l []string) []string { l[2] = " " + l[2]; return l })
	lines("space-behind", "a space at the end of a line", func(l []string) []string { l[2] = l[2][:64] + " \n"; return l })
	lines("tab-inside", "a tab in a line", func(l []string) []string { l[2] = l[2][:10] + "\t" + l[2][10:]; return l })
	lines("nul-inside", "a NUL in place of a character", func(l []string) []string { l[2] = l[2][:10] + "\x00" + l[2][11:]; return l })
	lines("two-carriage-returns", "two carriage returns before a line feed", func(l []string) []string { l[2] = l[2][:64] + "\r\r\n"; return l })
	lines("carriage-returns-only", "lines end with carriage returns alone", func(l []string) []string { l[2] = l[2][:64] + "\r"; return l })
	lines("url-alphabet", "the alphabet for URLs", func(l []string) []string { l[2] = "-_" + l[2][2:]; return l })
	lines("padding-inside", "padding inside a line", func(l []string) []string { l[2] = l[2][:30] + "==" + l[2][32:]; return l })
	lines("quoted", "lines that begin with > as in an answer to a mail", func(l []string) []string { l[2] = "> " + l[2]; return l })
	m.armorEnds(bad)
	m.armorContents(armored)
}

func crlf(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) }

// armorEnds are about the last line. Its chunk does not open any more, or is not all there, so nothing comes out.
func (m *maker) armorEnds(bad func(expect, reason, name, comment string, change func(text string) string)) {
	tail := func(name, comment, from, to string) {
		bad("damaged", "armor", name, comment, func(s string) string {
			before, ok := strings.CutSuffix(s, from+"\n"+endLine)
			if !ok {
				m.t.Fatalf("%s: the armor does not end with %q: %q", name, from, s[len(s)-60:])
			}
			return before + to + "\n" + endLine
		})
	}
	// a file of 512+100+16 bytes: the last line has 4 bytes of it, and ends with ==
	tail("padding-missing", "the padding is missing", "==", "")
	tail("padding-half", "half of the padding is missing", "==", "=")
	tail("padding-more", "a character of padding too many", "==", "===")
	tail("padding-line", "a line of padding more", "==", "==\n====")
	bad("damaged", "armor", "padding-bits", "the bits that the padding leaves over are not 0", func(s string) string {
		at := strings.LastIndex(s, "==\n")
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
		return s[:at-1] + string(alphabet[strings.IndexByte(alphabet, s[at-1])+1]) + s[at:]
	})
	bad("damaged", "armor", "line-behind-short", "a line behind one that is not full", func(s string) string {
		return strings.Replace(s, "==\n", "==\nAAAA\n", 1)
	})
}

// armorContents are about good armor of a file that is not good.
func (m *maker) armorContents(armored func(name string, size int) (*plan, []byte)) {
	inside := func(expect, reason, name, comment string, change func(file []byte) []byte) {
		p, _ := armored(name, 100)
		v := m.refused(expect, reason, comment, p, armorText(change(p.file())), 0)
		v.form = "armor"
	}
	inside("foreign", "", "of-text", "text in armor", func([]byte) []byte { return []byte("no sealed file\n") })
	inside("foreign", "", "of-armor", "armor in armor", armorText)
	inside("newer", "", "of-version-2", "a file of version 2 in armor", func(b []byte) []byte { b[7] = 2; return b })
	inside("damaged", "truncated", "of-cut-header", "a file whose header is cut off, in whole armor", func(b []byte) []byte { return b[:300] })
	inside("damaged", "altered", "of-cut-payload", "a file that is cut off, in whole armor", func(b []byte) []byte { return b[:len(b)-1] })
	inside("damaged", "altered", "of-altered", "an altered file in whole armor", func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	inside("damaged", "header", "of-bad-checksum", "a wrong checksum in whole armor", func(b []byte) []byte { b[511] ^= 1; return b })
}

// detached are vectors about headers in a file of their own.
func (m *maker) detachedHeaders() {
	make2 := func(v *vector, head, payload []byte) {
		v.form, v.detached, v.body = "detached", len(head), append(bytes.Clone(head), payload...)
	}
	for _, size := range []int{0, 100, 2 * specChunk} {
		p := m.plan(fmt.Sprintf("detached-%d", size))
		p.content = stuff(p.name, size)
		make2(m.opens(fmt.Sprintf("a detached header, and a payload of %d bytes of plaintext", size), p), p.header(), p.payload())
	}
	for i := 0; ; i++ { // one of 256 begins so
		p := m.plan(fmt.Sprintf("detached-hyphen-%d", i))
		if p.payload()[0] == '-' {
			p.name = "detached-hyphen"
			make2(m.opens("the payload begins with a hyphen by chance: it is no armor", p), p.header(), p.payload())
			break
		}
	}
	frames := []zframe{stored([]byte("compressed"))}
	p := m.zstdPlan("detached", append(bytes.Clone(frames[0].data), tableOf(frames, false).bytes()...))
	p.content = []byte("compressed")
	make2(m.opens("a detached header of a compressed file", p), p.header(), p.payload())
	bad := func(name, comment, expect, reason string, good int, change func(p *plan) (head, payload []byte)) {
		p := m.plan("detached-" + name)
		p.content = stuff("detached", specChunk+100)
		head, payload := change(p)
		make2(m.refused(expect, reason, comment, p, nil, good), head, payload)
	}
	bad("header-cut", "the header file lacks its last byte", "damaged", "truncated", 0, func(p *plan) (h, b []byte) { h = p.header(); return h[:len(h)-1], p.payload() })
	bad("header-byte-behind", "a byte behind the header in its file", "damaged", "header", 0, func(p *plan) (h, b []byte) { return append(p.header(), 0), p.payload() })
	bad("header-of-whole-file", "the header file is the whole sealed file", "damaged", "header", 0, func(p *plan) (h, b []byte) { return p.file(), p.payload() })
	bad("header-in-both", "the payload file has the header, too", "damaged", "altered", 0, func(p *plan) (h, b []byte) { return p.header(), p.file() })
	bad("header-of-another-file", "the header of another file", "damaged", "altered", 0, func(p *plan) (h, b []byte) { return p.header(), m.plan("another").payload() })
	bad("payload-empty", "an empty payload file", "damaged", "truncated", 0, func(p *plan) (h, b []byte) { return p.header(), nil })
	bad("payload-cut", "the payload lacks its last chunk", "damaged", "truncated", 1, func(p *plan) (h, b []byte) { return p.header(), p.sealed()[0] })
	bad("payload-armored", "the payload in armor, which there is not", "damaged", "altered", 0, func(p *plan) (h, b []byte) { return p.header(), armorText(p.payload()) })
	bad("header-foreign", "the header file is another kind of file", "foreign", "", 0, func(p *plan) (h, b []byte) { return []byte("{}\n"), p.payload() })
}
