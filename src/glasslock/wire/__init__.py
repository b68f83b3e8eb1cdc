"""What bytes mean: frozen values, strict decoding, canonical encoding. Knows no policy, key or IO."""
