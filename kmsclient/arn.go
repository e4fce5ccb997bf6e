package kmsclient

import (
	"fmt"
	"strings"
)

// LocalRegion and LocalAccount stand in the ARNs of the embedded keystore.
const (
	LocalRegion  = "local"
	LocalAccount = "000000000000"
)

// ARN is a parsed KMS ARN: arn:PARTITION:kms:REGION:ACCOUNT:key/ID or :alias/NAME.
type ARN struct {
	Partition string // aws, aws-cn, aws-us-gov, ...
	Region    string
	Account   string
	Resource  string // key/ID or alias/NAME
}

// ParseARN parses the ARN of a KMS key or alias. It refuses ARNs of other services and resources,
// and Regions and partitions that cannot be: an ARN may come from the header of a file, and its
// Region becomes part of the name of the host that is asked.
func ParseARN(s string) (ARN, error) {
	if len(s) > MaxKeyID {
		return ARN{}, fmt.Errorf("ARN is longer than %d bytes", MaxKeyID)
	}
	p := strings.Split(s, ":")
	if len(p) != 6 || p[0] != "arn" || p[1] == "" || p[3] == "" || p[4] == "" {
		return ARN{}, fmt.Errorf("%q is not an ARN of the form arn:aws:kms:REGION:ACCOUNT:key/ID", s)
	}
	if p[2] != "kms" {
		return ARN{}, fmt.Errorf("%q is an ARN of the service %q, not of kms", s, p[2])
	}
	if !isPartition(p[1]) || !isRegion(p[3]) || !isAccount(p[4]) {
		return ARN{}, fmt.Errorf("%q has a partition, Region or account that AWS does not have", s)
	}
	kind, name, ok := strings.Cut(p[5], "/")
	if !ok || name == "" || kind != "key" && kind != "alias" {
		return ARN{}, fmt.Errorf("%q names neither a key/ID nor an alias/NAME", s)
	}
	return ARN{Partition: p[1], Region: p[3], Account: p[4], Resource: p[5]}, nil
}

// isPartition: aws, aws-cn, aws-us-gov, aws-iso-b, ...
func isPartition(s string) bool {
	rest, ok := strings.CutPrefix(s, "aws")
	return ok && (rest == "" || rest[0] == '-' && consistsOf(rest, "-abcdefghijklmnopqrstuvwxyz"))
}

// isRegion: eu-west-1, us-gov-east-1, ..., and that of the embedded keystore.
func isRegion(s string) bool {
	return len(s) <= 32 && s[0] >= 'a' && s[0] <= 'z' &&
		consistsOf(s, "-abcdefghijklmnopqrstuvwxyz0123456789")
}

func isAccount(s string) bool { return len(s) == 12 && consistsOf(s, "0123456789") }

func consistsOf(s, letters string) bool { return strings.Trim(s, letters) == "" }

// String gives the ARN back.
func (a ARN) String() string {
	return "arn:" + a.Partition + ":kms:" + a.Region + ":" + a.Account + ":" + a.Resource
}

// KeyID is the bare key id, or empty where the ARN names an alias.
func (a ARN) KeyID() string {
	id, ok := strings.CutPrefix(a.Resource, "key/")
	if !ok {
		return ""
	}
	return id
}

// IsAlias tells whether the ARN names an alias.
func (a ARN) IsAlias() bool { return strings.HasPrefix(a.Resource, "alias/") }

// IsMultiRegion tells whether the ARN names a multi-Region key, whose replicas share its id (KMS
// Developer Guide, multi-Region keys).
func (a ARN) IsMultiRegion() bool { return strings.HasPrefix(a.Resource, "key/mrk-") }

// InRegion is the same resource in another Region, for replicas of a multi-Region key.
func (a ARN) InRegion(region string) ARN {
	a.Region = region
	return a
}

// ReplicaIn is the ARN under which the key is asked for in a Region: that of its replica there.
// Keys of one Region and those of an embedded keystore stay where they are, and all keys do where
// region is empty.
func (a ARN) ReplicaIn(region string) ARN {
	if region == "" || !a.IsMultiRegion() || a.Region == LocalRegion {
		return a
	}
	return a.InRegion(region)
}

// IsReplica tells whether both are the same multi-Region key, in whichever Regions: the primary key
// and its replicas have one id and the same key material, and each opens what another sealed.
func (a ARN) IsReplica(b ARN) bool { return a.IsMultiRegion() && a == b.InRegion(a.Region) }
