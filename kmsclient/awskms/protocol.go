package awskms

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/envseal/envseal/envelope/keymem"
)

// protocol is the SDK's own JSON protocol but for plaintext keys, which it neither writes nor sees:
// the text of a key goes from locked memory into the request and from the answer into locked
// memory, and the SDK gets "" in its place.
type protocol struct{ smithyhttp.ClientProtocol }

// SerializeRequest lets the SDK write the request, and puts the plaintext of Encrypt into it.
func (p protocol) SerializeRequest(ctx context.Context, schema *smithy.OperationSchema,
	in smithy.Serializable, req *smithyhttp.Request) error {
	if err := p.ClientProtocol.SerializeRequest(ctx, schema, in, req); err != nil {
		return err
	}
	x := exchangeOf(ctx)
	if x == nil || x.call.plaintext == nil {
		return nil
	}
	public, err := io.ReadAll(req.GetStream())
	if err != nil {
		return err
	}
	if err := x.splice(public); err != nil {
		return err
	}
	with, err := req.SetStream(lockedBody{len(x.body.Bytes())})
	if err != nil {
		return err
	}
	*req = *with
	return nil
}

// lockedBody stands for a request body that only the wire may read: anybody else would make a copy.
type lockedBody struct{ n int }

func (b lockedBody) Len() int { return b.n }
func (b lockedBody) Read([]byte) (int, error) {
	return 0, errors.New("the body of this request lies in locked memory and is not read")
}

// pieceSize is how much of a locked body goes into one TLS record. crypto/tls copies the text of a
// TLS 1.3 record into a buffer of its own and encrypts it there, and where that buffer is too small
// for the tag behind it the text is left behind in the old one. At 256 bytes it never is: the
// buffer that append makes for 5+256 bytes has 288, and a record needs 278.
const pieceSize = 256

// splice makes the body from what the SDK wrote, which has "" for the plaintext, and hashes it.
// Spaces before the last brace fill it up to whole pieces, and keep the text out of the last block
// of the hash, of which SHA-256 keeps a copy.
func (x *exchange) splice(public []byte) error {
	empty, err := findString(public, "Plaintext")
	if err != nil || len(empty) != 2 || public[len(public)-1] != '}' {
		return errors.New("the SDK has changed how it writes Encrypt")
	}
	at := cap(public) - cap(empty) + 1 // behind the first quote
	text := base64.StdEncoding.EncodedLen(len(x.call.plaintext))
	size := len(public) + text + sha256.BlockSize
	size += (pieceSize - size%pieceSize) % pieceSize
	if x.body, err = keymem.New(size); err != nil {
		return err
	}
	keymem.Do(func() {
		body := x.body.Bytes()
		n := copy(body, public[:at])
		base64.StdEncoding.Encode(body[n:], x.call.plaintext)
		n += text
		n += copy(body[n:], public[at:len(public)-1])
		for i := n; i < size-1; i++ {
			body[i] = ' '
		}
		body[size-1] = '}'
		sum := sha256.Sum256(body)
		x.sum = hex.EncodeToString(sum[:])
	})
	return nil
}

// payloadHash hands the signer the hash of a locked body.
type payloadHash struct{}

// ID implements middleware.BuildMiddleware.
func (payloadHash) ID() string { return "envsealPayloadHash" }

// HandleBuild implements middleware.BuildMiddleware.
func (payloadHash) HandleBuild(ctx context.Context, in middleware.BuildInput,
	next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
	if x := exchangeOf(ctx); x != nil && x.sum != "" {
		ctx = v4.SetPayloadHash(ctx, x.sum)
	}
	return next.HandleBuild(ctx, in)
}

// DeserializeResponse takes the key out of a good answer before the SDK reads it.
func (p protocol) DeserializeResponse(ctx context.Context, schema *smithy.OperationSchema,
	types *smithy.TypeRegistry, resp *smithyhttp.Response, out smithy.Deserializable) error {
	x := exchangeOf(ctx)
	if x == nil || x.answer == nil {
		return p.ClientProtocol.DeserializeResponse(ctx, schema, types, resp, out)
	}
	defer func() { x.answer.Destroy(); x.answer = nil }()
	var err error
	if x.secret, err = cutSecret(x.answer.Bytes(), x.call.secret.name); err != nil {
		return err
	}
	rest := &http.Response{StatusCode: resp.StatusCode, Header: resp.Header,
		Body: io.NopCloser(bytes.NewReader(x.answer.Bytes()))}
	return p.ClientProtocol.DeserializeResponse(ctx, schema, types,
		&smithyhttp.Response{Response: rest}, out)
}
