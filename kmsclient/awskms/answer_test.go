package awskms_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/awskms"
)

func b64(n int) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", n)))
}

// object is JSON of name, value pairs; a value is text.
func object(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		text, err := json.Marshal(pairs[i+1])
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(&b, ",%q:%s", pairs[i], text)
	}
	return "{" + strings.TrimPrefix(b.String(), ",") + "}"
}

// TestBadAnswers: an answer with any fault is refused after one attempt, and nothing of it comes
// back.
func TestBadAnswers(t *testing.T) {
	alias := strings.Replace(testARN, "key/11111111-2222-3333-4444-555555555555", "alias/x", 1)
	answers := map[string]string{
		"nothing":      "",
		"empty object": "{}",
		"array":        "[]",
		"null":         "null",
		"HTML":         "<html><body>Please log in</body></html>",
		"cut":          object("KeyId", testARN, "CiphertextBlob", b64(100), "Plaintext", b64(32))[:150],
		"no plaintext": object("KeyId", testARN, "CiphertextBlob", b64(100)),
		"null plaintext": `{"KeyId":"` + testARN + `","CiphertextBlob":"` +
			b64(100) + `","Plaintext":null}`,
		"empty":        object("KeyId", testARN, "CiphertextBlob", b64(100), "Plaintext", ""),
		"a byte short": object("KeyId", testARN, "CiphertextBlob", b64(100), "Plaintext", b64(31)),
		"a byte long":  object("KeyId", testARN, "CiphertextBlob", b64(100), "Plaintext", b64(33)),
		"a number": `{"KeyId":"` + testARN + `","CiphertextBlob":"` +
			b64(100) + `","Plaintext":1234}`,
		"twice": `{"KeyId":"` + testARN + `","CiphertextBlob":"` + b64(100) + `","Plaintext":"` +
			b64(32) + `","Plaintext":"` + b64(32) + `"}`,
		"escaped name": `{"KeyId":"` + testARN + `","CiphertextBlob":"` + b64(100) +
			`","Plain\u0074ext":"` + b64(32) + `"}`,
		"bad base64": object("KeyId", testARN, "CiphertextBlob", b64(100), "Plaintext", "*"+b64(32)[1:]),
		"line break": `{"KeyId":"` + testARN + `","CiphertextBlob":"` + b64(100) +
			`","Plaintext":"` + b64(32) + `\n"}`,
		"no blob":        object("KeyId", testARN, "Plaintext", b64(32)),
		"long blob":      object("KeyId", testARN, "CiphertextBlob", b64(6145), "Plaintext", b64(32)),
		"blob no base64": object("KeyId", testARN, "CiphertextBlob", "***", "Plaintext", b64(32)),
		"no key":         object("CiphertextBlob", b64(100), "Plaintext", b64(32)),
		"a bare id": object("KeyId", "11111111-2222-3333-4444-555555555555", "CiphertextBlob",
			b64(100), "Plaintext", b64(32)),
		"an alias":    object("KeyId", alias, "CiphertextBlob", b64(100), "Plaintext", b64(32)),
		"another key": object("KeyId", otherARN, "CiphertextBlob", b64(100), "Plaintext", b64(32)),
		"17 KB": object("KeyId", testARN, "CiphertextBlob", b64(100), "Plaintext", b64(32), "More",
			strings.Repeat("x", 17<<10)),
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			clean(t)
			keys(t)
			f := serve(t, says(http.StatusOK, answer))
			err := generate(t, awskms.New(quick(f.URL)))
			wantError(t, err, kmsclient.ErrBadAnswer, "GenerateDataKey", testARN, "req-1")
			if f.count() != 1 {
				t.Errorf("%d attempts", f.count())
			}
			if strings.Contains(err.Error(), b64(31)[:8]) ||
				strings.Contains(fmt.Sprintf("%+v %#v", err, err), b64(31)[:8]) {
				t.Errorf("the error tells the answer: %v", err)
			}
		})
	}
}

// TestGoodAnswer: the same answer without a fault is taken, in every spelling that JSON allows.
func TestGoodAnswer(t *testing.T) {
	key := b64(32)
	for name, answer := range map[string]string{
		"plain": object("KeyId", testARN, "CiphertextBlob", b64(100), "Plaintext", key),
		"first": object("Plaintext", key, "KeyId", testARN, "CiphertextBlob", b64(100)),
		"spaces": " { \"Plaintext\" : \"" + key + "\" ,\r\n\t\"KeyId\" : \"" + testARN +
			"\" , \"CiphertextBlob\":\"" + b64(100) + "\" } \n",
		"escapes": `{"KeyId":"` + testARN + `","CiphertextBlob":"` + b64(100) + `","Plaintext":"` +
			strings.ReplaceAll(key, "a", `\u0061`) + `"}`,
		"nested": `{"X":{"Plaintext":"bm8="},"Y":["Plaintext",{"a":"}\"]"}],"Z":-1.5e3,"T":true,"N":null,"Plaintext":"` +
			key + `","KeyId":"` + testARN + `","CiphertextBlob":"` + b64(100) + `"}`,
		"15 KB": object("KeyId", testARN, "CiphertextBlob", b64(6144), "Plaintext", key, "More",
			strings.Repeat("x", 7<<10)),
	} {
		t.Run(name, func(t *testing.T) {
			clean(t)
			keys(t)
			f := serve(t, says(http.StatusOK, answer))
			got, err := awskms.New(quick(f.URL)).GenerateDataKey(t.Context(),
				kmsclient.GenerateDataKeyInput{KeyID: testARN, KeySpec: kmsclient.AES256})
			must(t, err)
			defer got.Plaintext.Destroy()
			if string(got.Plaintext.Bytes()) != strings.Repeat("k", 32) || got.KeyID != testARN ||
				len(got.CiphertextBlob) == 0 {
				t.Errorf("got %q %s", got.Plaintext.Bytes(), got.KeyID)
			}
		})
	}
}

// operation is a call of one operation, and a good answer to it.
type operation struct {
	name, good string
	call       func(context.Context, *awskms.Client, kmsclient.Options) error
}

func operations() []operation {
	blob, meta := []byte("blob"),
		`{"KeyMetadata":`+object("Arn", testARN, "KeyId", testARN[len(testARN)-36:])+`}`
	data := func(o kmsclient.Options) kmsclient.GenerateDataKeyInput {
		return kmsclient.GenerateDataKeyInput{KeyID: testARN, NumberOfBytes: 32, Options: o}
	}
	pair := func(o kmsclient.Options) kmsclient.GenerateDataKeyPairInput {
		return kmsclient.GenerateDataKeyPairInput{KeyID: testARN,
			KeyPairSpec: "ECC_NIST_P256", Options: o}
	}
	return []operation{
		{"GenerateDataKey", object("KeyId", testARN, "CiphertextBlob", b64(9), "Plaintext", b64(32)),
			func(ctx context.Context, c *awskms.Client, o kmsclient.Options) error {
				return second(c.GenerateDataKey(ctx, data(o)))
			}},
		{"GenerateDataKeyWithoutPlaintext", object("KeyId", testARN, "CiphertextBlob", b64(9)),
			func(ctx context.Context, c *awskms.Client, o kmsclient.Options) error {
				return second(c.GenerateDataKeyWithoutPlaintext(ctx, data(o)))
			}},
		{"GenerateDataKeyPair", object("KeyId", testARN, "KeyPairSpec", "ECC_NIST_P256", "PublicKey",
			b64(9), "PrivateKeyPlaintext", b64(99), "PrivateKeyCiphertextBlob", b64(9)),
			func(ctx context.Context, c *awskms.Client, o kmsclient.Options) error {
				return second(c.GenerateDataKeyPair(ctx, pair(o)))
			}},
		{"GenerateDataKeyPairWithoutPlaintext", object("KeyId", testARN, "KeyPairSpec",
			"ECC_NIST_P256", "PublicKey", b64(9), "PrivateKeyCiphertextBlob", b64(9)),
			func(ctx context.Context, c *awskms.Client, o kmsclient.Options) error {
				return second(c.GenerateDataKeyPairWithoutPlaintext(ctx, pair(o)))
			}},
		{"GenerateRandom", object("Plaintext", b64(32)),
			func(ctx context.Context, c *awskms.Client, _ kmsclient.Options) error {
				return second(c.GenerateRandom(ctx, 32))
			}},
		{"Encrypt", object("KeyId", testARN, "CiphertextBlob", b64(9)),
			func(ctx context.Context, c *awskms.Client, o kmsclient.Options) error {
				return second(c.Encrypt(ctx,
					kmsclient.EncryptInput{KeyID: testARN, Plaintext: []byte("secret"), Options: o}))
			}},
		{"Decrypt", object("KeyId", testARN, "Plaintext", b64(32)),
			func(ctx context.Context, c *awskms.Client, o kmsclient.Options) error {
				return second(c.Decrypt(ctx,
					kmsclient.DecryptInput{KeyID: testARN, CiphertextBlob: blob, Options: o}))
			}},
		{"ReEncrypt", object("KeyId", testARN, "SourceKeyId", otherARN, "CiphertextBlob", b64(9)),
			func(ctx context.Context, c *awskms.Client, o kmsclient.Options) error {
				return second(c.ReEncrypt(ctx, kmsclient.ReEncryptInput{DestinationKeyID: testARN,
					SourceKeyID: otherARN, CiphertextBlob: blob, Options: o}))
			}},
		{"DescribeKey", meta, func(ctx context.Context, c *awskms.Client, _ kmsclient.Options) error {
			return second(c.DescribeKey(ctx, testARN, kmsclient.Options{}))
		}},
		{"CreateKey", meta, func(ctx context.Context, c *awskms.Client, _ kmsclient.Options) error {
			return second(c.CreateKey(ctx, kmsclient.CreateKeyInput{}))
		}},
		{"ScheduleKeyDeletion", `{"KeyId":"` + testARN + `","DeletionDate":1700000000}`,
			func(ctx context.Context, c *awskms.Client, _ kmsclient.Options) error {
				return second(c.ScheduleKeyDeletion(ctx, testARN, 7))
			}},
	}
}

// second is the error of a call that gives something else, too.
func second[T any](_ T, err error) error { return err }

// TestEveryOperationChecks: each takes its good answer, refuses {}, and refuses a good answer that
// lacks one member.
func TestEveryOperationChecks(t *testing.T) {
	for _, op := range operations() {
		t.Run(op.name, func(t *testing.T) {
			clean(t)
			keys(t)
			answer := op.good
			f := serve(t, func(w http.ResponseWriter, r *http.Request) { says(http.StatusOK, answer)(w, r) })
			c := awskms.New(quick(f.URL))
			must(t, op.call(t.Context(), c, kmsclient.Options{}))
			if got := f.seen[0].Header.Get("X-Amz-Target"); got != "TrentService."+op.name {
				t.Errorf("asked for %q", got)
			}
			answer = "{}"
			wantError(t, op.call(t.Context(), c, kmsclient.Options{}), kmsclient.ErrBadAnswer, op.name)
			for _, member := range []string{"KeyId", "CiphertextBlob", "Plaintext", "PublicKey",
				"PrivateKeyPlaintext", "PrivateKeyCiphertextBlob", "SourceKeyId",
				"KeyPairSpec", "Arn", "DeletionDate"} {
				if op.name == "ScheduleKeyDeletion" && member == "KeyId" {
					continue // not used
				}
				if answer = strings.Replace(op.good, `"`+member+`"`, `"Other"`, 1); answer != op.good {
					wantError(t, op.call(t.Context(), c, kmsclient.Options{}), kmsclient.ErrBadAnswer, op.name)
				}
			}
		})
	}
}

// TestDryRunDone: a service that carries out a dry run is not believed.
func TestDryRunDone(t *testing.T) {
	for _, op := range operations()[:8] {
		if op.name == "GenerateRandom" {
			continue // has no dry run
		}
		t.Run(op.name, func(t *testing.T) {
			clean(t)
			keys(t)
			f := serve(t, says(http.StatusOK, op.good))
			wantError(t, op.call(t.Context(), awskms.New(quick(f.URL)), kmsclient.Options{DryRun: true}),
				kmsclient.ErrBadAnswer, "dry run")
			if !strings.Contains(string(f.bytes[0]), `"DryRun":true`) {
				t.Errorf("asked %s", f.bytes[0])
			}
		})
	}
}

// TestDecryptWithAnotherKey: the SDK passes over a KeyId that was not asked for.
func TestDecryptWithAnotherKey(t *testing.T) {
	clean(t)
	keys(t)
	f := serve(t, says(http.StatusOK, object("KeyId", otherARN, "Plaintext", b64(32))))
	c := awskms.New(quick(f.URL))
	for _, asked := range []string{testARN, testARN[len(testARN)-36:]} {
		_, err := c.Decrypt(t.Context(),
			kmsclient.DecryptInput{KeyID: asked, CiphertextBlob: []byte("b")})
		wantError(t, err, kmsclient.ErrBadAnswer, otherARN, asked)
	}
	for _, asked := range []string{"", otherARN, "alias/any"} {
		out, err := c.Decrypt(t.Context(),
			kmsclient.DecryptInput{KeyID: asked, CiphertextBlob: []byte("b")})
		must(t, err)
		out.Plaintext.Destroy()
	}
}
