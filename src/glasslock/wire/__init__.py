"""What bytes mean: frozen values, strict decoding, one encoding; no policy, no key, no IO."""
