package ui

import "strings"

// LettersAndDigits are those of ASCII.
const LettersAndDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// ConsistsOf tells whether s has no characters but those of set.
func ConsistsOf(s, set string) bool { return strings.Trim(s, set) == "" }
