package awskms

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/envseal/envseal/kmsclient"
)

// metadata checks and takes over a KeyMetadata.
func (cl *call) metadata(m *types.KeyMetadata) (*kmsclient.KeyMetadata, error) {
	if m == nil {
		return nil, cl.bad("it has no KeyMetadata")
	}
	arn, err := cl.keyARN("Arn", m.Arn, cl.keyID)
	if err != nil {
		return nil, err
	}
	if id := aws.ToString(m.KeyId); !strings.HasSuffix(arn, "/"+id) || id == "" {
		return nil, cl.bad("its KeyId and its Arn name two keys")
	}
	about := &kmsclient.KeyMetadata{
		AccountID: aws.ToString(m.AWSAccountId), KeyID: *m.KeyId, ARN: arn,
		CreationDate: aws.ToTime(m.CreationDate), Enabled: m.Enabled,
		Description: aws.ToString(m.Description), KeyUsage: string(m.KeyUsage),
		KeyState: string(m.KeyState), DeletionDate: aws.ToTime(m.DeletionDate),
		ValidTo: aws.ToTime(m.ValidTo), Origin: string(m.Origin),
		CustomKeyStoreID:  aws.ToString(m.CustomKeyStoreId),
		CloudHSMClusterID: aws.ToString(m.CloudHsmClusterId), ExpirationModel: string(m.ExpirationModel),
		KeyManager: string(m.KeyManager), KeySpec: string(m.KeySpec),
		Algorithms: texts(m.EncryptionAlgorithms), SigningAlgorithms: texts(m.SigningAlgorithms),
		AgreementAlgorithms: texts(m.KeyAgreementAlgorithms),
		MACAlgorithms:       texts(m.MacAlgorithms), MultiRegion: aws.ToBool(m.MultiRegion),
		PendingDeletionWindowInDays: int(aws.ToInt32(m.PendingDeletionWindowInDays)),
		CurrentKeyMaterialID:        materialID(m.CurrentKeyMaterialId),
	}
	if m.XksKeyConfiguration != nil {
		about.XksKeyID = aws.ToString(m.XksKeyConfiguration.Id)
	}
	if c := m.MultiRegionConfiguration; c != nil {
		about.MultiRegionConfiguration =
			&kmsclient.MultiRegionConfiguration{KeyType: string(c.MultiRegionKeyType)}
		if c.PrimaryKey != nil {
			about.MultiRegionConfiguration.Primary = regionKey(*c.PrimaryKey)
		}
		for _, k := range c.ReplicaKeys {
			about.MultiRegionConfiguration.Replicas =
				append(about.MultiRegionConfiguration.Replicas, regionKey(k))
		}
	}
	return about, nil
}

func regionKey(k types.MultiRegionKey) kmsclient.RegionKey {
	return kmsclient.RegionKey{ARN: aws.ToString(k.Arn), Region: aws.ToString(k.Region)}
}

// texts are the values of one of the SDK's types of text.
func texts[T ~string](values []T) []string {
	var all []string
	for _, v := range values {
		all = append(all, string(v))
	}
	return all
}
