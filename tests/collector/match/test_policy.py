from collector.match.policy import DEFAULT_THRESHOLD, ListRule, Policy, Setting


def test_the_last_setting_that_names_a_field_decides_it() -> None:
    policy = Policy(
        settings=(
            Setting(threshold=0.7),
            Setting(list="stolen", threshold=0.9, exact_only=True),
            Setting(camera="north", threshold=0.8),
            Setting(list="stolen", camera="north/lane1", exact_only=False, region_required=True),
        )
    )
    assert policy.of("other", "south/lane1") == ListRule(0.7)
    assert policy.of("stolen", "south/lane1") == ListRule(0.9, exact_only=True)
    assert policy.of("stolen", "north/lane2") == ListRule(0.8, exact_only=True)
    assert policy.of("stolen", "north/lane1") == ListRule(0.8, region_required=True)
    # A camera by the same name at another device is another camera.
    assert policy.of("stolen", "northern/lane1") == ListRule(0.9, exact_only=True)


def test_without_settings_every_list_alerts_from_the_default_on() -> None:
    assert Policy().of("any", "any/one") == ListRule(
        DEFAULT_THRESHOLD, exact_only=False, region_required=False, on=True
    )
