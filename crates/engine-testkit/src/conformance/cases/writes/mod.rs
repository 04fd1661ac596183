//! Cases about writes: scripts whose answers are those of a real server.

use super::scripts;

pub(super) mod create {
    super::scripts!("create", "create.yaml":
        what_is_sent_comes_back_with_its_metadata,
        a_resource_version_is_refused,
        a_name_is_taken_once,
        a_name_is_generated_from_a_prefix,
        a_name_wins_over_generate_name,
        a_generated_name_is_cut_to_63,
        an_object_needs_a_name,
        a_name_with_upper_case_is_refused,
        a_name_with_an_underscore_is_refused,
        a_name_with_a_trailing_dash_is_refused,
        a_name_with_a_slash_is_refused,
        a_name_of_254_characters_is_refused,
        the_namespace_of_the_body_is_that_of_the_path,
        a_namespace_that_is_not_there_is_not_found,
        labels_are_texts,
        an_annotation_key_is_a_qualified_name_in_any_case,
        a_dry_run_stores_nothing,
        a_dry_run_finds_what_is_wrong,
        unknown_fields_are_warned_about,
        unknown_fields_are_refused_when_asked,
        unknown_fields_are_dropped_silently_when_asked,
        field_validation_has_three_values,
        unknown_fields_deep_inside_are_named,
        nothing_is_created_in_a_namespace_that_goes,
    );
}

pub(super) mod update {
    super::scripts!("update", "update.yaml":
        a_new_version_for_each_change,
        nothing_changed_is_no_new_version,
        the_current_version_is_accepted,
        an_old_version_is_a_conflict,
        another_uid_is_a_conflict,
        what_is_not_there_is_not_made,
        labels_left_out_are_gone,
        a_dry_run_changes_nothing,
        two_managers_share_what_neither_changed,
        kinds_without_a_spec_count_no_generation,
        the_status_is_its_own_resource,
        the_scale_changes_replicas_only,
        a_scale_is_patched_in_three_ways,
        a_scale_is_not_negative,
        the_scale_has_versions_too,
    );
}

pub(super) mod patch {
    super::scripts!("patch", "patch.yaml":
        a_merge_patch_sets_and_removes,
        a_merge_patch_of_nothing_changes_nothing,
        a_merge_patch_replaces_lists,
        a_patch_names_a_version,
        a_patch_of_what_is_not_there_is_not_found,
        a_json_patch_has_six_operations,
        a_json_patch_that_fails_a_test_is_refused,
        a_json_patch_to_nowhere_is_refused,
        a_json_patch_escapes_names,
        a_strategic_patch_merges_by_key,
        a_strategic_patch_deletes_an_item,
        a_strategic_patch_replaces_a_list,
        a_strategic_patch_orders_a_list,
        a_strategic_patch_removes_by_null,
        a_strategic_patch_keeps_only_keys,
        a_strategic_patch_merges_tolerations_as_a_whole,
        a_strategic_patch_merges_sets,
        a_strategic_patch_replaces_a_map,
        a_strategic_patch_changes_ports_by_container_port,
        a_strategic_patch_of_a_service_merges_ports_by_port,
        a_patch_has_dry_runs,
        a_patch_of_another_media_type_is_refused,
        a_patch_is_one_manager_of_its_own,
    );
}

pub(super) mod apply {
    super::scripts!("apply", "apply.yaml":
        it_creates_what_is_not_there,
        it_needs_a_field_manager,
        nothing_changed_is_no_new_version,
        a_field_left_out_is_removed,
        two_managers_of_different_fields,
        another_value_is_a_conflict,
        the_same_value_is_shared,
        a_shared_field_changes_with_force_only,
        force_takes_the_field_over,
        conflicts_name_each_manager_and_field,
        conflicts_of_an_update_name_the_time,
        an_update_takes_a_field_away,
        an_update_and_an_apply_of_one_name_are_two,
        a_patch_that_removes_a_field_ends_its_ownership,
        a_version_in_the_body_is_checked,
        a_dry_run_stores_nothing,
        a_manager_leaves_the_list_by_a_patch,
        labels_are_owned_one_by_one,
        finalizers_are_a_set,
        owners_are_keyed_by_uid,
        a_workload_is_applied_whole,
        containers_are_keyed_by_name,
        an_item_goes_with_its_last_owner,
        ports_are_keyed_with_a_default_protocol,
        an_environment_variable_belongs_to_who_set_it,
        atomic_lists_are_one_field,
        atomic_maps_are_one_field,
        a_duplicate_key_is_refused,
        an_item_without_its_key_is_refused,
        replicas_left_out_stay_with_another_owner,
        the_only_owner_of_replicas_gives_them_up_to_the_default,
        a_status_is_applied_by_its_own_manager,
        a_status_in_the_main_resource_is_not_owned,
        client_side_apply_is_migrated_by_its_manager,
        secrets_take_string_data,
        a_service_keeps_what_was_allocated,
        an_object_that_goes_is_applied_to,
        an_empty_map_is_owned_itself,
    );
}

pub(super) mod delete {
    super::scripts!("delete", "delete.yaml":
        a_status_says_what_went,
        a_uid_is_a_precondition,
        a_version_is_a_precondition,
        a_finalizer_holds_the_object,
        foreground_waits_for_dependents,
        options_are_in_the_query_too,
        a_negative_grace_period_is_refused,
        a_collection_goes_by_selector,
        a_collection_keeps_what_is_held,
        a_collection_has_dry_runs,
        a_deployment_counts_its_deletion,
        the_default_namespaces_stay,
        a_namespace_is_terminating_first,
    );
}

pub(super) mod defaults {
    super::scripts!("defaults", "defaults.yaml":
        a_deployment,
        a_deployment_that_recreates,
        a_daemon_set,
        a_replica_set,
        a_job,
        a_job_with_parallelism,
        a_cron_job,
        a_service,
        a_service_with_named_target,
        a_headless_service,
        a_service_with_node_ports,
        a_load_balancer,
        an_external_name,
        a_service_with_affinity,
        a_storage_class,
        an_ingress,
        a_network_policy,
        a_disruption_budget,
        a_role,
        a_role_binding,
        a_cluster_role,
        a_cluster_role_binding,
        a_mutating_webhook,
        a_validating_webhook,
        a_namespace,
        a_service_account,
        a_secret_of_texts,
        a_config_map_of_bytes,
        a_lease,
    );
}

pub(super) mod immutable {
    super::scripts!("immutable", "immutable.yaml":
        the_selector_of_a_deployment,
        the_selector_of_a_replica_set,
        the_selector_of_a_daemon_set,
        most_of_a_stateful_set,
        some_of_a_stateful_set_changes,
        the_selector_of_a_job,
        a_suspended_job_takes_scheduling_directives,
        the_address_of_a_service,
        a_service_keeps_its_address_when_it_is_left_out,
        an_immutable_config_map,
        an_immutable_secret,
        the_type_of_a_secret,
    );
}

pub(super) mod validation {
    super::scripts!("validation", "validation.yaml":
        a_deployment_without_selector_or_template,
        a_template_has_containers,
        a_template_restarts_always,
    );
}

pub(super) mod crd {
    super::scripts!("crd", "crd.yaml":
        a_definition_is_established,
        the_name_is_plural_and_group,
        some_names_never_change,
        a_definition_is_held_until_its_objects_are_gone,
    );
}

pub(super) mod custom {
    super::scripts!("custom", "custom.yaml":
        an_object_is_like_any_other,
        an_update_needs_a_version,
        defaults_are_filled_in,
        unknown_fields_are_pruned,
        unknown_fields_are_kept_where_asked,
        types_are_checked,
        integers_are_whole,
        numbers_may_be_whole,
        booleans_are_no_texts,
        objects_and_lists_are_checked_inside,
        formats_of_integers,
        required_fields_are_there,
        values_of_an_enumeration,
        values_of_an_enumeration_of_numbers,
        bounds_of_numbers,
        bounds_may_be_exclusive,
        multiples,
        lengths_of_texts,
        patterns_of_texts,
        numbers_of_items,
        numbers_of_properties,
        formats_of_texts,
        more_formats_of_texts,
        one_of_several,
        any_of_several,
        all_of_several,
        not_what_is_excluded,
        an_integer_or_a_text,
        a_list_that_is_a_set,
        a_list_with_keys,
        an_embedded_object,
        a_wrong_type_and_a_wrong_value_are_two_mistakes,
        names_of_objects_are_domains,
        a_status_is_its_own_resource,
        a_scale_is_read_and_written,
        a_cluster_scoped_kind_has_no_namespace,
        versions_own_fields_each,
        apply_merges_lists_with_keys,
        apply_merges_sets,
        apply_replaces_atomic_fields,
        apply_merges_maps,
        apply_owns_what_has_no_schema,
        a_rule_that_comes_later_spares_what_did_not_change,
        columns_of_a_table,
    );
}
