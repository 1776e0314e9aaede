//! Expressions: what they call, which columns they mention, which types they cast to.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AExpr, AExprKind, ColumnRef, FuncCall, Node, SubLink, SubLinkType, TypeName, WindowDef,
};

use super::Walk;
use crate::name::{Name, strings};

impl Walk {
    pub(super) fn expressions(&mut self, nodes: &[Node]) {
        for node in nodes {
            self.expression(Some(node));
        }
    }

    /// Any expression, or nothing.
    pub(super) fn expression(&mut self, node: Option<&Node>) {
        let Some(node) = node else { return };
        // A node of a kind that the binding does not know comes out empty.
        let Some(node) = &node.node else { return self.unread() };
        match node {
            NodeEnum::AConst(_)
            | NodeEnum::ParamRef(_)
            | NodeEnum::SetToDefault(_)
            | NodeEnum::String(_)
            | NodeEnum::Integer(_)
            | NodeEnum::Float(_)
            | NodeEnum::Boolean(_)
            | NodeEnum::BitString(_)
            | NodeEnum::SqlvalueFunction(_) => {}
            NodeEnum::CurrentOfExpr(current) => {
                self.effects.cursors.insert(current.cursor_name.as_str().into());
            }
            NodeEnum::List(list) => self.expressions(&list.items),
            NodeEnum::ColumnRef(column) => self.column(column),
            NodeEnum::AStar(_) => self.mentions.everything = true,
            NodeEnum::ResTarget(target) => {
                self.steps(&target.indirection);
                self.expression(target.val.as_deref());
            }
            NodeEnum::AExpr(expression) => self.operation(expression),
            NodeEnum::BoolExpr(expression) => self.expressions(&expression.args),
            NodeEnum::TypeCast(cast) => {
                self.expression(cast.arg.as_deref());
                self.type_name(cast.type_name.as_ref());
            }
            NodeEnum::FuncCall(call) => self.function(call),
            NodeEnum::AIndirection(indirection) => {
                self.expression(indirection.arg.as_deref());
                self.steps(&indirection.indirection);
            }
            NodeEnum::AIndices(indices) => {
                self.expression(indices.lidx.as_deref());
                self.expression(indices.uidx.as_deref());
            }
            NodeEnum::AArrayExpr(array) => self.expressions(&array.elements),
            NodeEnum::RowExpr(row) => self.expressions(&row.args),
            NodeEnum::SubLink(link) => self.sublink(link),
            NodeEnum::NamedArgExpr(argument) => self.expression(argument.arg.as_deref()),
            NodeEnum::MultiAssignRef(assign) => self.expression(assign.source.as_deref()),
            NodeEnum::CollateClause(collate) => self.expression(collate.arg.as_deref()),
            NodeEnum::NullTest(test) => self.expression(test.arg.as_deref()),
            NodeEnum::BooleanTest(test) => self.expression(test.arg.as_deref()),
            NodeEnum::CoalesceExpr(coalesce) => self.expressions(&coalesce.args),
            NodeEnum::CaseExpr(case) => {
                if case.arg.is_some() {
                    self.operator("=");
                }
                self.expression(case.arg.as_deref());
                self.expressions(&case.args);
                self.expression(case.defresult.as_deref());
            }
            NodeEnum::CaseWhen(when) => {
                self.expression(when.expr.as_deref());
                self.expression(when.result.as_deref());
            }
            NodeEnum::SortBy(sort) => {
                self.operator_named(&sort.use_op);
                self.expression(sort.node.as_deref());
            }
            NodeEnum::IndexElem(element) => {
                self.mention(&element.name);
                self.expression(element.expr.as_deref());
            }
            NodeEnum::WindowDef(window) => self.window(window),
            NodeEnum::GroupingSet(set) => self.expressions(&set.content),
            NodeEnum::GroupingFunc(grouping) => self.expressions(&grouping.args),
            NodeEnum::MinMaxExpr(extreme) => {
                self.operator("<");
                self.operator(">");
                self.expressions(&extreme.args);
            }
            other => self.special(other),
        }
    }

    /// `x`, `t.x`, `s.t.x`, `t.*`.
    fn column(&mut self, column: &ColumnRef) {
        let names = strings(&column.fields);
        if names.len() != column.fields.len() {
            // A star somewhere in it.
            self.mentions.everything = true;
        }
        let Some((last, before)) = names.split_last() else { return };
        self.mention(last);
        self.singles.insert((*last).into());
        if let Some(qualifier) = before.last() {
            let attribute = (Some(Box::from(*qualifier)), Box::from(*last));
            self.part().attributes.insert(attribute);
        }
    }

    /// The steps of `(expression).a[1].*`.
    fn steps(&mut self, steps: &[Node]) {
        for step in steps {
            match &step.node {
                Some(NodeEnum::String(name)) => {
                    self.mention(&name.sval);
                    let attribute = (None, Box::from(name.sval.as_str()));
                    self.part().attributes.insert(attribute);
                }
                _ => self.expression(Some(step)),
            }
        }
    }

    fn operation(&mut self, expression: &AExpr) {
        let AExpr { kind, name, lexpr, rexpr, rexpr_list_start: _, rexpr_list_end: _, location: _ } =
            expression;
        match AExprKind::try_from(*kind) {
            Ok(
                AExprKind::AexprBetween
                | AExprKind::AexprNotBetween
                | AExprKind::AexprBetweenSym
                | AExprKind::AexprNotBetweenSym,
            ) => {
                for operator in ["<", "<=", ">", ">="] {
                    self.operator(operator);
                }
            }
            Ok(
                AExprKind::AexprOp
                | AExprKind::AexprOpAny
                | AExprKind::AexprOpAll
                | AExprKind::AexprDistinct
                | AExprKind::AexprNotDistinct
                | AExprKind::AexprNullif
                | AExprKind::AexprIn
                | AExprKind::AexprLike
                | AExprKind::AexprIlike
                | AExprKind::AexprSimilar,
            ) => self.operator_named(name),
            Ok(AExprKind::Undefined) | Err(_) => self.unread(),
        }
        self.expression(lexpr.as_deref());
        self.expression(rexpr.as_deref());
    }

    pub(super) fn operator(&mut self, name: &str) {
        self.part().operators.insert(Name::bare(name));
    }

    pub(super) fn operator_named(&mut self, parts: &[Node]) {
        if let Some(name) = Name::of_nodes(parts) {
            self.part().operators.insert(name);
        }
    }

    fn sublink(&mut self, link: &SubLink) {
        if matches!(
            SubLinkType::try_from(link.sub_link_type),
            Ok(SubLinkType::AnySublink | SubLinkType::AllSublink | SubLinkType::RowcompareSublink)
        ) {
            if link.oper_name.is_empty() {
                self.operator("=");
            }
            self.operator_named(&link.oper_name);
        }
        self.expression(link.testexpr.as_deref());
        match link.subselect.as_ref().and_then(|node| node.node.as_ref()) {
            Some(NodeEnum::SelectStmt(select)) => self.select(select),
            _ => self.unread(),
        }
    }

    pub(super) fn function(&mut self, call: &FuncCall) {
        let FuncCall {
            funcname,
            args,
            agg_order,
            agg_filter,
            over,
            agg_within_group: _,
            agg_star: _,
            agg_distinct: _,
            func_variadic: _,
            funcformat: _,
            location: _,
        } = call;
        if self.literal_call(funcname, args) {
            self.inert = false;
        } else {
            self.call(funcname, args.len());
        }
        self.expressions(args);
        self.expressions(agg_order);
        self.expression(agg_filter.as_deref());
        if let Some(window) = over {
            self.window(window);
        }
    }

    /// Notes a call by its name.
    pub(super) fn call(&mut self, name: &[Node], arguments: usize) {
        let Some(name) = Name::of_nodes(name) else { return self.unread() };
        if arguments == 1 {
            // `email(customers)` is `customers.email`.
            self.mention(&name.name);
        } else {
            self.part().no_casts.insert(name.clone());
        }
        self.part().calls.insert(name);
    }

    pub(super) fn window(&mut self, window: &WindowDef) {
        let WindowDef {
            name: _,
            refname: _,
            partition_clause,
            order_clause,
            frame_options: _,
            start_offset,
            end_offset,
            location: _,
        } = window;
        self.expressions(partition_clause);
        self.expressions(order_clause);
        self.expression(start_offset.as_deref());
        self.expression(end_offset.as_deref());
    }

    /// A type that values are cast to.
    pub(super) fn type_name(&mut self, name: Option<&TypeName>) {
        let Some(name) = name else { return self.unread() };
        if name.pct_type {
            return self.unread();
        }
        match Name::of_nodes(&name.names) {
            Some(found) => {
                self.part().types.insert(found);
            }
            None => self.unread(),
        }
        self.expressions(&name.typmods);
    }
}
