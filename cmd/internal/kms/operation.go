package kms

import (
	"slices"

	"github.com/envseal/envseal/cmd/internal/awscli"
	"github.com/envseal/envseal/kmsclient"
)

// operation is one operation of KMS.
type operation struct {
	name    string // as in the API: GenerateDataKey
	usage   string
	secret  string          // the member of the answer that is plaintext key material, or empty
	members []member        // of the request, in the order of the API
	answer  awscli.Document // what an answer may hold, for --generate-cli-skeleton output
	call    callFunc
}

// command is the name on the command line: generate-data-key.
func (op *operation) command() string { return dashed(op.name) }

func (op *operation) has(member string) bool { return slices.Contains(op.memberNames(), member) }

func (op *operation) memberNames() []string {
	var names []string
	for _, m := range op.members {
		names = append(names, m.name)
	}
	return names
}

// operations are the operations that envseal has, with the members of their requests and answers
// in the order of the API.
func operations() []*operation {
	return append(generateOperations(), cipherOperations()...)
}

func generateOperations() []*operation {
	key := keyMember("KeyId", "the KMS `KEY` to encrypt under").must()
	ec := contextMember("EncryptionContext")
	dataKey := sampleAnswer("CiphertextBlob", "Plaintext", "KeyId", "KeyMaterialId")
	keyPair := sampleAnswer("PrivateKeyCiphertextBlob", "PrivateKeyPlaintext", "PublicKey", "KeyId",
		"KeyPairSpec", "KeyMaterialId")
	return []*operation{
		{
			name: "GenerateDataKey", usage: "make a data key: plaintext and encrypted",
			secret: "Plaintext", answer: dataKey, call: dataKeyCall(kmsclient.Client.GenerateDataKey),
			members: []member{key, ec, numberOfBytesMember, keySpecMember, grantTokensMember,
				recipientMember, dryRunMember},
		},
		{
			name:   "GenerateDataKeyWithoutPlaintext",
			usage:  "make a data key, and do not show its plaintext",
			answer: dataKey.Without("Plaintext"),
			call:   dataKeyCall(kmsclient.Client.GenerateDataKeyWithoutPlaintext),
			members: []member{key, ec, keySpecMember, numberOfBytesMember, grantTokensMember,
				dryRunMember},
		},
		{
			name: "GenerateDataKeyPair", usage: "make a pair of public and private key",
			secret: "PrivateKeyPlaintext", answer: keyPair,
			call: keyPairCall(kmsclient.Client.GenerateDataKeyPair),
			members: []member{ec, key, keyPairSpecMember, grantTokensMember, recipientMember,
				dryRunMember},
		},
		{
			name:    "GenerateDataKeyPairWithoutPlaintext",
			usage:   "make a pair of public and private key, and do not show the private key",
			answer:  keyPair.Without("PrivateKeyPlaintext"),
			call:    keyPairCall(kmsclient.Client.GenerateDataKeyPairWithoutPlaintext),
			members: []member{ec, key, keyPairSpecMember, grantTokensMember, dryRunMember},
		},
	}
}

func cipherOperations() []*operation {
	blob := member{name: "CiphertextBlob", kind: blobMember, most: kmsclient.MaxCiphertextBlob,
		usage: "`BLOB` to decrypt: fileb://FILE or base64"}
	plaintext := member{name: "Plaintext", kind: blobMember, most: kmsclient.MaxPlaintext,
		required: true, usage: "what to encrypt, 1 to 4096 `BYTES`: fileb://FILE or base64"}
	return []*operation{
		{
			name: "Encrypt", usage: "encrypt up to 4096 bytes under a KMS key", call: encryptUnderKey,
			answer: sampleAnswer("CiphertextBlob", "KeyId", "EncryptionAlgorithm"),
			members: []member{keyMember("KeyId", "the KMS `KEY` to encrypt under").must(), plaintext,
				contextMember("EncryptionContext"), grantTokensMember,
				algorithmMember("EncryptionAlgorithm"), dryRunMember},
		},
		{
			name: "Decrypt", usage: "decrypt what a KMS key encrypted", secret: "Plaintext",
			call:   decryptUnderKey,
			answer: sampleAnswer("KeyId", "Plaintext", "EncryptionAlgorithm", "KeyMaterialId"),
			members: []member{blob, contextMember("EncryptionContext"), grantTokensMember,
				keyMember("KeyId", "only with this KMS `KEY`"), algorithmMember("EncryptionAlgorithm"),
				recipientMember, dryRunMember, modifiersMember},
		},
		{
			name:  "ReEncrypt",
			usage: "move a blob to another KMS key or encryption context, within KMS", call: reEncrypt,
			answer: sampleAnswer("CiphertextBlob", "SourceKeyId", "KeyId", "SourceEncryptionAlgorithm",
				"DestinationEncryptionAlgorithm", "SourceKeyMaterialId", "DestinationKeyMaterialId"),
			members: []member{blob, contextMember("SourceEncryptionContext"),
				keyMember("SourceKeyId", "only if this `KEY` made the blob"),
				keyMember("DestinationKeyId", "the `KEY` to encrypt under").must(),
				contextMember("DestinationEncryptionContext"),
				algorithmMember("SourceEncryptionAlgorithm"),
				algorithmMember("DestinationEncryptionAlgorithm"), grantTokensMember, dryRunMember,
				modifiersMember},
		},
		{
			name: "DescribeKey", usage: "show what KMS tells about a key", call: describeKey,
			answer:  awscli.Document{}.Add("KeyMetadata", sampleMetadata()),
			members: []member{keyMember("KeyId", "the `KEY`").must(), grantTokensMember},
		},
	}
}
